// Claims: who is asked before anybody promises, what a promise fences, and which
// epochs are claimed.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <variant>

#include "tests/support/replica_cluster.h"

namespace fermo::test {
namespace {

using namespace std::chrono_literals;

class ReplicaClaim : public testing::Test {
 protected:
  const cluster::Segment& SegmentAt(int node) { return *c.replica(node).Find(segment); }
  void Accept() {
    c.Run(1s);
    segment = c.AcceptOne(0).segment;
    c.Run(100ms);
  }
  // What `node` answers to a first append of epoch 1 after the one that it has.
  cluster::Stored AppendTo(int node) {
    spool::MessageRecord message;
    message.envelope.forward_paths = {"late@example.test"};
    message.chunks = 1;
    message.size = 1;
    message.body = 1;
    cluster::SegmentRecord record = SegmentAt(0).record;
    record.epoch = Epoch(1);
    const cluster::Append append{record, Seq(1), MakeBytes(spool::Encode(message)), MakeBytes("x"),
                                 false};
    const auto actions = c.replica(node).Step(cluster::DataReceived{c.Id(0), append}, c.now());
    for (const cluster::Action& action : actions) {
      const auto* sent = std::get_if<cluster::SendData>(&action);
      if (sent == nullptr) continue;
      if (const auto* stored = std::get_if<cluster::Stored>(&sent->message)) return *stored;
    }
    return {};
  }

  ReplicaCluster c{{"firenze", "roma", "catania"}};
  SegmentId segment;
};

// It is cut off from the owner, which the other one is not: its promise would
// fence an owner that is well.
TEST_F(ReplicaClaim, NobodyPromisesUntilAQuorumWould) {
  Accept();
  c.SetLink(0, 2, false);
  int asked = 0;
  int claimed = 0;
  c.lose_control = [&](int from, const cluster::ControlMessage& message) {
    asked += from == 2 && std::holds_alternative<cluster::Ask>(message);
    claimed += std::holds_alternative<cluster::Claim>(message);
    return false;
  };
  c.Run(60s);
  EXPECT_GT(asked, 0);
  EXPECT_EQ(claimed, 0);
  for (int node = 0; node < 3; ++node) EXPECT_EQ(SegmentAt(node).promised, Epoch()) << node;
  c.SetLink(0, 2, true);
  c.Run(2s);
  EXPECT_EQ(SegmentAt(0).record.epoch, Epoch(1));
  EXPECT_EQ(c.OwnerOf(segment), 0);
}

// Else a claimant might win without a message that W have.
TEST_F(ReplicaClaim, AHolderThatPromisedMoreRefusesAppends) {
  Accept();
  c.lose_control = [](int, const cluster::ControlMessage&) { return true; };
  c.Run(15s);  // every lease has ended
  c.Feed(2, cluster::ControlReceived{c.Id(1), 1, cluster::Claim{SegmentAt(2).record, Epoch(50)}});
  ASSERT_EQ(SegmentAt(2).promised, Epoch(50));
  ASSERT_EQ(SegmentAt(2).record.epoch, Epoch(1)) << "nobody has won";
  const cluster::Stored answer = AppendTo(2);
  EXPECT_TRUE(answer.refused);
  EXPECT_EQ(answer.promised, Epoch(50));
  c.Run(100ms);
  EXPECT_FALSE(c.disk(2).Holds({segment, Seq(1)}));
}

// The owner has heard of a higher promise and claims above it; a message reaches
// its disk after its own promise did.
TEST_F(ReplicaClaim, AWriterThatPromisedMoreCountsItsOwnCopyNoMore) {
  Accept();
  std::optional<uint64_t> sent_at;
  c.lose_control = [&](int from, const cluster::ControlMessage& message) {
    const auto* heartbeat = std::get_if<cluster::Heartbeat>(&message);
    if (from == 0 && heartbeat != nullptr) sent_at = heartbeat->sent_at;
    return false;
  };
  ASSERT_TRUE(c.RunUntil([&] { return sent_at.has_value(); }, 2s));
  cluster::HeartbeatAnswer answer{*sent_at, true, {SegmentAt(0).record}};
  answer.refused[0].epoch = Epoch(50);
  c.Feed(0, cluster::ControlReceived{c.Id(2), 1, answer});
  // Nobody promises to it before the test is over.
  c.lose_control = [](int, const cluster::ControlMessage& message) {
    return std::holds_alternative<cluster::Promise>(message);
  };
  c.BlockWrites(0, true);
  const cluster::UploadId upload = c.Accept(0);
  ASSERT_TRUE(c.RunUntil([&] { return SegmentAt(0).promised > Epoch(50); }, 4s));
  const MessageId id{segment, Seq(1)};
  ASSERT_TRUE(c.disk(1).Holds(id) && c.disk(2).Holds(id));
  c.BlockWrites(0, false);
  c.Run(100ms);
  ASSERT_TRUE(c.disk(0).Holds(id));
  ASSERT_EQ(SegmentAt(0).record.epoch, Epoch(1)) << "the claim has not held";
  EXPECT_EQ(c.Verdict(upload), nullptr);
  c.lose_control = nullptr;
  ASSERT_TRUE(c.RunUntil([&] { return c.Verdict(upload) != nullptr; }, 30s));
  EXPECT_TRUE(absl::IsUnknown(*c.Verdict(upload)));
}

// A disk that lied may have lost the promise of an epoch that its node skipped to:
// another claim of the same would win twice.
TEST_F(ReplicaClaim, NoTwoClaimAlikeAboveASkippedEpoch) {
  Accept();
  const Epoch skipped(cluster::kSkippedEpochs + 4000);
  const cluster::Claim claim{SegmentAt(0).record, skipped, true, {}};
  for (int node : {1, 2}) {
    c.Feed(node, cluster::ControlReceived{c.Id(0), 1, claim});
    ASSERT_EQ(SegmentAt(node).promised, skipped);
  }
  c.Kill(0);
  std::map<int, std::set<Epoch>> asked;
  c.lose_control = [&](int from, const cluster::ControlMessage& message) {
    const auto* ask = std::get_if<cluster::Ask>(&message);
    if (ask != nullptr) asked[from].insert(ask->epoch);
    return true;
  };
  c.Run(30s);
  ASSERT_FALSE(asked[1].empty());
  ASSERT_FALSE(asked[2].empty());
  for (Epoch epoch : asked[1]) {
    EXPECT_GT(epoch, skipped);
    EXPECT_FALSE(asked[2].contains(epoch)) << epoch.value();
  }
}

// It asks for no leases while its disk completes no write, but it is heard.
TEST(ReplicaHungOwner, IsReplacedAlthoughItsHeartbeatsGoOn) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Run(100ms);
  c.BlockWrites(0, true);
  c.Run(5s);  // its leases are not asked for any more
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.OwnerOf(id.segment) > 0; }, 30s));
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 5s));
}

}  // namespace
}  // namespace fermo::test
