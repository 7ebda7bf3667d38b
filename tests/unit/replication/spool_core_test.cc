// The spool core beside a disk that is too slow for what peers send.
#include "node/replication/spool_core.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <future>
#include <string>
#include <vector>

#include "tests/unit/store/store_fixture.h"

namespace fermo::node {
namespace {

class NoTransport : public Transport {
 public:
  void Send(cluster::SendControl) override {}
  void Send(cluster::SendData) override {}
  size_t QueuedBytes(NodeId) const override { return 0; }
  size_t MaxQueuedBytes() const override { return 0; }
};

class SpoolCoreTest : public StoreTest {
 protected:
  static constexpr size_t kWaiting = 64 << 10;
  static constexpr size_t kChunk = 16 << 10;

  void SetUp() override {
    StoreTest::SetUp();
    SpoolCoreOptions options;
    options.replica.self = NodeId(1);
    options.max_waiting_bytes = kWaiting;
    Logger log = Logger::ToSink(LogLevel::kInfo, "test", [this](std::string_view line) {
      for (const char* event : {"store_behind", "store_caught_up"}) {
        if (line.find(event) != std::string_view::npos) events_.push_back(event);
      }
    });
    core_ = std::make_unique<SpoolCore>(io_.get_executor(), options, *store_, transport_,
                                        cluster::Snapshot(),
                                        std::vector<cluster::RecoveredSegment>(), log, metrics_);
  }
  void TearDown() override { core_.reset(); }

  // The writer thread stays in a callback until `release` is set.
  void HoldWriter(std::shared_future<void> release) {
    auto reached = std::make_shared<std::promise<void>>();
    store_->Write({spool::PutMeta{"hold", ""}}, spool::Durability::kSynced,
                  [release, reached](const absl::Status&) {
                    reached->set_value();
                    release.wait();
                  });
    reached->get_future().wait();
  }
  void ReceiveChunk(uint32_t body) {
    cluster::Chunk chunk;
    chunk.segment = kSegment;
    chunk.body = body;
    chunk.octets = MakeBytes(std::string(kChunk, 'c'));
    core_->Apply(cluster::DataReceived{NodeId(2), std::move(chunk)});
  }
  void SetMembers(uint64_t generation, std::vector<uint64_t> nodes) {
    cluster::Snapshot snapshot;
    snapshot.generation = generation;
    for (uint64_t node : nodes) snapshot.members.push_back({NodeId(node), "", "", "", false});
    core_->Apply(cluster::SnapshotChanged{snapshot});
  }
  bool Exposes(const std::string& line) {
    return metrics_.Serialize().find("\nfermoposta_" + line) != std::string::npos;
  }
  bool Has(uint32_t body) { return store_->ReadChunk(kSegment, body, 0).ok(); }

  boost::asio::io_context io_;
  net::Metrics metrics_{"test"};
  NoTransport transport_;
  std::vector<std::string> events_;
  std::unique_ptr<SpoolCore> core_;
};

TEST_F(SpoolCoreTest, CopiesAreDroppedWhileTooMuchWaitsForTheDisk) {
  std::promise<void> release;
  HoldWriter(release.get_future().share());
  for (uint32_t body = 0; body < 100; ++body) ReceiveChunk(body);
  EXPECT_GT(store_->QueuedBytes(), 2 * kWaiting);
  EXPECT_LE(store_->QueuedBytes(), 2 * kWaiting + 2 * kChunk);
  EXPECT_EQ(events_, std::vector<std::string>{"store_behind"}) << "said once";
  release.set_value();
  ASSERT_TRUE(Write({}).ok());
  EXPECT_TRUE(Has(0));
  EXPECT_FALSE(Has(99));
  ReceiveChunk(99);
  ASSERT_TRUE(Write({}).ok());
  EXPECT_TRUE(Has(99));
  EXPECT_EQ(events_, (std::vector<std::string>{"store_behind", "store_caught_up"}));
}

TEST_F(SpoolCoreTest, OnceBehindItWaitsForHalfOfItToBeWritten) {
  std::promise<void> first;
  HoldWriter(first.get_future().share());
  for (uint32_t body = 0; body < 20; ++body) ReceiveChunk(body);
  first.set_value();
  ASSERT_TRUE(Write({}).ok());
  std::promise<void> second;
  HoldWriter(second.get_future().share());
  const std::string more(kWaiting + kChunk, 'm');
  store_->Write({Chunk(kSegment, 50, 0, more)}, spool::Durability::kUnsynced, nullptr);
  ReceiveChunk(51);
  EXPECT_EQ(events_, std::vector<std::string>{"store_behind"}) << "more than half of the limit";
  second.set_value();
  ASSERT_TRUE(Write({}).ok());
  EXPECT_FALSE(Has(51));
  ReceiveChunk(52);
  ASSERT_TRUE(Write({}).ok());
  EXPECT_TRUE(Has(52));
}

TEST_F(SpoolCoreTest, ADiskWithoutRoomRefusesCopiesWhateverWaits) {
  core_->RefuseCopies(true);
  ReceiveChunk(0);
  EXPECT_EQ(store_->QueuedBytes(), 0u);
  core_->RefuseCopies(false);
  ReceiveChunk(1);
  ASSERT_TRUE(Write({}).ok());
  EXPECT_FALSE(Has(0));
  EXPECT_TRUE(Has(1));
  EXPECT_TRUE(events_.empty());
}

TEST_F(SpoolCoreTest, EventsAreExposedBeforeTheyHappen) {
  EXPECT_TRUE(Exposes("replication_events_total{event=\"takeover\"} 0\n"));
  EXPECT_TRUE(Exposes("replication_events_total{event=\"store_behind\"} 0\n"));
  EXPECT_TRUE(Exposes("last_survivor_deliveries_total 0\n"));
}

TEST_F(SpoolCoreTest, GaugesOfPeersComeAndGoWithTheirMembership) {
  const std::string of_two = "{peer=\"" + ToString(NodeId(2)) + "\"}";
  EXPECT_FALSE(Exposes("replication_lag_seconds" + of_two));
  SetMembers(1, {1, 2});
  EXPECT_TRUE(Exposes("replication_lag_seconds" + of_two + " 0\n"));
  EXPECT_TRUE(Exposes("replication_peer_queue_bytes" + of_two + " 0\n"));
  EXPECT_FALSE(Exposes("replication_lag_seconds{peer=\"" + ToString(NodeId(1)) + "\"}"));
  SetMembers(2, {1, 3});
  EXPECT_FALSE(Exposes("replication_lag_seconds" + of_two));
  EXPECT_FALSE(Exposes("replication_peer_queue_bytes" + of_two));
}

}  // namespace
}  // namespace fermo::node
