// What is left when nodes are evicted: who may act, and on what.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "tests/support/replica_cluster.h"

namespace fermo::test {
namespace {

using namespace std::chrono_literals;

// Three hold a segment, two are to come in place of two of them, and one has
// nothing to do with it.
class ReplicaLastCopies : public testing::Test {
 protected:
  // The list is proposed, and never committed; then every old holder is evicted.
  void LoseEveryHolder() {
    c.Run(1s);
    id = c.AcceptOne(0);
    const auto holders = c.replica(0).Find(id.segment)->record.holders;
    c.Run(100ms);
    c.lose_control = [](int, const cluster::ControlMessage& message) {
      return std::holds_alternative<cluster::Promise>(message);
    };
    for (size_t i : {1u, 2u}) c.Drain(Index(holders[i]));
    ASSERT_TRUE(c.RunUntil([&] { return FindNew(holders) && joined.size() == 2; }, 10s));
    c.Run(10ms);  // the disks follow
    for (NodeId node : holders) c.Kill(Index(node));
    c.lose_control = nullptr;
    for (NodeId node : holders) c.Evict(Index(node));
    for (int node : joined) ASSERT_TRUE(c.disk(node).Holds(id));
  }
  static int Index(NodeId node) { return static_cast<int>(node.value()) - 1; }
  // Those who have promised the list that names them.
  bool FindNew(const std::vector<NodeId>& old) {
    joined.clear();
    for (int node = 0; node < c.size(); ++node) {
      const cluster::Segment* segment = c.replica(node).Find(id.segment);
      if (segment == nullptr || segment->record.next_epoch == Epoch()) continue;
      if (std::find(old.begin(), old.end(), c.Id(node)) == old.end()) joined.push_back(node);
    }
    return true;
  }

  ReplicaCluster c{{"firenze", "roma", "catania", "bari", "pisa", "lecce"}};
  MessageId id;
  std::vector<int> joined;
};

TEST_F(ReplicaLastCopies, AreDeliveredByThoseOfAListThatMayNeverHaveStood) {
  LoseEveryHolder();
  c.primary_up = true;
  EXPECT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 1min));
  EXPECT_TRUE(c.RunUntil([&] { return c.Forgotten(id.segment); }, 2min));
  EXPECT_EQ(c.NotesOf("stray_copies_dropped"), 0);
  EXPECT_EQ(c.Extra(), 0);
}

// Who has just booted claims nothing yet, and hears meanwhile that nobody else has
// them; who forgot what was announced can't vouch for the list.
TEST_F(ReplicaLastCopies, StayWhereTheyAreAndAreDeliveredAfterTheGrace) {
  LoseEveryHolder();
  for (int node : joined) c.Kill(node);
  for (int node : joined) c.RestartMachine(node);
  c.primary_up = true;
  c.Run(12min);
  EXPECT_EQ(c.Deliveries(id), 0);
  EXPECT_EQ(c.NotesOf("stray_copies_dropped"), 0);
  for (int node : joined) EXPECT_TRUE(c.disk(node).Holds(id)) << node;
  EXPECT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 3min));
  EXPECT_TRUE(c.RunUntil([&] { return c.Forgotten(id.segment); }, 2min));
}

// It has nothing to do with the segment, but might know of a newer list; it can't
// be asked, perhaps for ever.
TEST(ReplicaRemnantAlone, DeliversAfterALongTimeWithoutTheWordOfAMemberThatIsDown) {
  ReplicaCluster c{{"firenze", "roma", "catania", "catania"}};
  c.survivor_verdict = cluster::SurvivorVerdict::Kind::kGranted;
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  const auto holders = c.replica(0).Find(id.segment)->record.holders;
  const int third = static_cast<int>(holders.back().value()) - 1;
  const int stranger = 5 - third;
  ASSERT_TRUE(c.RunUntil([&] { return c.disk(1).Holds(id); }, 1s));
  c.Kill(stranger);
  for (int node : {0, third}) {
    c.Kill(node);
    c.Evict(node);
  }
  c.primary_up = true;
  c.Run(14min);
  EXPECT_EQ(c.Deliveries(id), 0);
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 2min));
  EXPECT_EQ(c.NotesOf("last_survivor"), 1);
  EXPECT_TRUE(c.disk(1).Holds(id)) << "it drops nothing";
  c.Restart(stranger);
  // It is to join, and keeps what it was given for a minute.
  ASSERT_TRUE(c.RunUntil([&] { return c.Forgotten(id.segment); }, 2min));
  EXPECT_EQ(c.Extra(), 0);
}

// All three had to know the end; with one evicted, the two that do are all.
TEST(ReplicaEvicted, WhatAllWhoAreLeftKnowIsFinishedAtOnce) {
  cluster::ReplicaOptions options;
  options.write_copies = 3;
  ReplicaCluster c{{"firenze", "roma", "catania"}, options};
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.on_dot = [&](int, const MessageId&) {
    c.Kill(2);
    return true;
  };
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 5s));
  c.Run(1min);
  ASSERT_TRUE(c.disk(0).KnowsOutcome(id, 0) && c.disk(1).KnowsOutcome(id, 0));
  ASSERT_FALSE(c.disk(0).Finished(id)) << "a third has to know it";
  c.Evict(2);
  c.Run(10ms);
  for (int node : {0, 1}) EXPECT_TRUE(c.disk(node).Finished(id)) << node;
}

}  // namespace
}  // namespace fermo::test
