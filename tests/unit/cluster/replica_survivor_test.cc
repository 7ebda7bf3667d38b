// Delivery alone, when no quorum can be reached for long.
#include <gtest/gtest.h>

#include "tests/support/replica_cluster.h"

namespace fermo::test {
namespace {

using namespace std::chrono_literals;
using Kind = cluster::SurvivorVerdict::Kind;

class ReplicaSurvivor : public testing::Test {
 protected:
  static cluster::ReplicaOptions Options() {
    cluster::ReplicaOptions options;
    options.copies = 2;
    return options;
  }
  // Node 1 is left alone with a message; the primary is up.
  MessageId LeaveAlone() {
    c.Run(1s);
    const MessageId id = c.AcceptOne(0);
    c.Kill(0);
    c.primary_up = true;
    return id;
  }
  ReplicaCluster c{{"firenze", "roma"}, Options()};
};

TEST_F(ReplicaSurvivor, DeliversAfterALongTimeWhenItIsGranted) {
  c.survivor_verdict = Kind::kGranted;
  const MessageId id = LeaveAlone();
  c.Run(14min);
  EXPECT_EQ(c.Deliveries(id), 0);
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 2min));
  c.Run(1min);
  EXPECT_EQ(c.Deliveries(id), 1);
  EXPECT_TRUE(c.disk(1).Holds(id)) << "it drops nothing";
  EXPECT_EQ(c.replica(1).GetView(c.now()).surviving, 1u);
  EXPECT_EQ(c.NotesOf("last_survivor_delivered"), 1);
}

TEST_F(ReplicaSurvivor, DeliversWhenNoCoordinatorCanBeAsked) {
  c.survivor_verdict = Kind::kUnreachable;
  const MessageId id = LeaveAlone();
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 16min));
}

TEST_F(ReplicaSurvivor, DeliversNothingWhenItIsRefused) {
  const MessageId id = LeaveAlone();
  c.Run(20min);
  EXPECT_GT(c.survivor_asks(), 0);
  EXPECT_EQ(c.Deliveries(id), 0);
}

TEST_F(ReplicaSurvivor, StopsWhenTheGrantIsWithdrawn) {
  c.survivor_verdict = Kind::kGranted;
  LeaveAlone();
  ASSERT_TRUE(c.RunUntil([&] { return c.NotesOf("last_survivor") == 1; }, 16min));
  c.survivor_verdict = Kind::kRefused;
  ASSERT_TRUE(c.RunUntil([&] { return c.NotesOf("last_survivor_stops") == 1; }, 15s));
}

TEST_F(ReplicaSurvivor, StopsAndConvergesWhenTheOtherIsBack) {
  c.survivor_verdict = Kind::kGranted;
  const MessageId id = LeaveAlone();
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 16min));
  c.Restart(0);
  ASSERT_TRUE(c.RunUntil([&] { return c.Forgotten(id.segment); }, 2min));
  EXPECT_EQ(c.Deliveries(id), 1) << "the owner learns what was delivered";
  EXPECT_EQ(c.NotesOf("last_survivor_stops"), 1);
}

TEST(ReplicaSurvivors, WhatAnOwnerHadBegunItDeliversWhenItIsAlone) {
  cluster::ReplicaOptions options;
  options.copies = 2;
  options.orphan_after = 3s;
  ReplicaCluster c{{"firenze", "roma"}, options};
  c.survivor_verdict = Kind::kGranted;
  c.Run(1s);
  const MessageId id = c.AcceptOne(1);
  c.Kill(0);
  c.primary_up = true;
  c.Run(2s);
  ASSERT_FALSE(c.replica(1).Find(id.segment)->flying.empty()) << "it waits for node 0";
  EXPECT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 30s));
}

TEST(ReplicaSurvivors, OfTwoTheFirstInTheListDelivers) {
  cluster::ReplicaOptions options;
  options.copies = 5;
  ReplicaCluster c{{"a", "b", "c", "d", "e"}, options};
  c.survivor_verdict = Kind::kGranted;
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  ASSERT_TRUE(c.RunUntil(
      [&] {
        int copies = 0;
        for (int node = 0; node < c.size(); ++node) copies += c.disk(node).Holds(id);
        return copies == 5;
      },
      2s));
  const auto holders = c.replica(0).Find(id.segment)->record.holders;
  for (size_t i = 0; i < 3; ++i) c.Kill(static_cast<int>(holders[i].value()) - 1);
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 17min));
  c.Run(2min);
  EXPECT_EQ(c.NotesOf("last_survivor"), 1);
  const int first = static_cast<int>(holders[3].value()) - 1;
  EXPECT_EQ(c.replica(first).GetView(c.now()).surviving, 1u);
}

}  // namespace
}  // namespace fermo::test
