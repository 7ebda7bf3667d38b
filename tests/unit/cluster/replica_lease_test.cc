// Leases: what an owner may count on, and who grants them.
#include <gtest/gtest.h>

#include <optional>
#include <variant>

#include "tests/support/replica_cluster.h"

namespace fermo::test {
namespace {

using namespace std::chrono_literals;

class ReplicaLease : public testing::Test {
 protected:
  // The next heartbeat of node 0, which is on its way when this returns.
  uint64_t AwaitHeartbeat() {
    std::optional<uint64_t> sent_at;
    c.lose_control = [&](int from, const cluster::ControlMessage& message) {
      const auto* heartbeat = std::get_if<cluster::Heartbeat>(&message);
      if (from == 0 && heartbeat != nullptr) sent_at = heartbeat->sent_at;
      return false;
    };
    EXPECT_TRUE(c.RunUntil([&] { return sent_at.has_value(); }, 2s));
    c.lose_control = nullptr;
    return sent_at.value_or(0);
  }
  void LoseHeartbeatAnswers() {
    c.lose_control = [](int, const cluster::ControlMessage& message) {
      return std::holds_alternative<cluster::HeartbeatAnswer>(message);
    };
  }

  ReplicaCluster c{{"firenze", "roma", "catania"}};
};

// The answer is late, which tells the owner nothing of when its holder began to
// count; 9.7 s from the sending, less half a second, are sure.
TEST_F(ReplicaLease, IsCountedFromTheSendingAndEndsBeforeItsHolderThinksSo) {
  c.Run(1s);
  const SegmentId segment = c.AcceptOne(0).segment;
  c.Run(2s);
  const uint64_t sent_at = AwaitHeartbeat();
  const Instant sent = c.now();
  LoseHeartbeatAnswers();
  c.Run(5s);
  c.Feed(0, cluster::ControlReceived{c.Id(1), 1, cluster::HeartbeatAnswer{sent_at, true, {}}});
  c.Run(sent + 9100ms - c.now());
  EXPECT_TRUE(c.replica(0).MayStart(segment, c.now()));
  c.Run(200ms);
  EXPECT_FALSE(c.replica(0).MayStart(segment, c.now()));
  EXPECT_GT(c.replica(1).Find(segment)->lease_until, c.now()) << "its holder still leaves it alone";
}

// Its copy is still on its way, or lost: without its lease the owner might lack W,
// and without its promise nobody could take over.
TEST_F(ReplicaLease, IsGrantedOnASegmentThatTheHolderHearsOfForTheFirstTime) {
  c.Run(1s);
  cluster::SegmentRecord record;
  record.id = SegmentId{c.Id(0), 1, 77};
  record.holders = {c.Id(0), c.Id(1), c.Id(2)};
  record.owner = c.Id(0);
  std::optional<cluster::HeartbeatAnswer> answer;
  c.lose_control = [&](int from, const cluster::ControlMessage& message) {
    const auto* told = std::get_if<cluster::HeartbeatAnswer>(&message);
    if (from == 2 && told != nullptr && told->echo == 1) answer = *told;
    return false;
  };
  c.Feed(2, cluster::ControlReceived{c.Id(0), 1, cluster::Heartbeat{1, true, {record}}});
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->granted);
  EXPECT_TRUE(answer->refused.empty());
  ASSERT_NE(c.replica(2).Find(record.id), nullptr);
  EXPECT_EQ(c.replica(2).Find(record.id)->lease_until, c.now() + 10s);
  c.Run(10ms);
  EXPECT_EQ(c.disk(2).segments().at(record.id).stored.record, record);
  // It may promise, and keeps to the lease.
  c.Feed(2, cluster::ControlReceived{c.Id(1), 1, cluster::Claim{record, Epoch(2)}});
  EXPECT_EQ(c.replica(2).Find(record.id)->promised, Epoch()) << "the lease runs";
  c.Run(10100ms);
  c.Feed(2, cluster::ControlReceived{c.Id(1), 1, cluster::Claim{record, Epoch(50)}});
  EXPECT_EQ(c.replica(2).Find(record.id)->promised, Epoch(50));
}

}  // namespace
}  // namespace fermo::test
