#include "smtp-frontend/node_picker.h"

#include <gtest/gtest.h>

namespace fermo::frontend {
namespace {

cluster::Snapshot FourNodes() {
  cluster::Snapshot snapshot;
  snapshot.members = {{NodeId(1), "f1", "firenze", ""},
                      {NodeId(2), "r1", "roma", ""},
                      {NodeId(3), "f2", "firenze", ""},
                      {NodeId(4), "c1", "catania", ""}};
  return snapshot;
}

NodePicker AllReady() {
  NodePicker picker("firenze");
  picker.SetMembers(FourNodes());
  for (uint64_t id = 1; id <= 4; ++id) picker.SetReady(NodeId(id), true);
  return picker;
}

TEST(NodePicker, HasNobodyUntilANodeSaysItIsReady) {
  NodePicker picker("firenze");
  EXPECT_FALSE(picker.Pick().has_value());
  picker.SetMembers(FourNodes());
  EXPECT_FALSE(picker.AnyReady());
  EXPECT_FALSE(picker.Pick().has_value());
  picker.SetReady(NodeId(3), true);
  EXPECT_TRUE(picker.AnyReady());
  EXPECT_EQ(picker.Pick(), NodeId(3));
}

TEST(NodePicker, TakesTurnsWithinItsOwnRegion) {
  NodePicker picker = AllReady();
  int first = 0;
  NodeId previous;
  for (int i = 0; i < 10; ++i) {
    const NodeId node = *picker.Pick();
    EXPECT_TRUE(node == NodeId(1) || node == NodeId(3));
    EXPECT_NE(node, previous);
    previous = node;
    first += node == NodeId(1);
  }
  EXPECT_EQ(first, 5);
}

TEST(NodePicker, GoesToOtherRegionsInTurnOnlyWhenItsOwnHasNone) {
  NodePicker picker = AllReady();
  picker.SetReady(NodeId(1), false);
  EXPECT_EQ(picker.Pick(), NodeId(3));
  picker.SetReady(NodeId(3), false);
  const NodeId a = *picker.Pick();
  const NodeId b = *picker.Pick();
  EXPECT_NE(a, b);
  EXPECT_TRUE(a == NodeId(2) || a == NodeId(4));
  EXPECT_TRUE(b == NodeId(2) || b == NodeId(4));
}

TEST(NodePicker, LeavesOutThoseThatWereTried) {
  NodePicker picker = AllReady();
  EXPECT_EQ(picker.Pick({NodeId(1)}), NodeId(3));
  EXPECT_EQ(picker.Pick({NodeId(1), NodeId(3), NodeId(2)}), NodeId(4));
  EXPECT_FALSE(picker.Pick({NodeId(1), NodeId(2), NodeId(3), NodeId(4)}).has_value());
  EXPECT_EQ(picker.Pick({}, {"nowhere"}), std::nullopt);
}

TEST(NodePicker, KeepsWhatItKnowsAcrossSnapshotsAndForgetsEvictedNodes) {
  NodePicker picker = AllReady();
  cluster::Snapshot snapshot = FourNodes();
  snapshot.members.erase(snapshot.members.begin());
  snapshot.members.push_back({NodeId(5), "f3", "firenze", ""});
  snapshot.evicted = {NodeId(2)};
  picker.SetMembers(snapshot);
  EXPECT_FALSE(picker.IsReady(NodeId(1)));
  EXPECT_FALSE(picker.IsReady(NodeId(2)));
  EXPECT_TRUE(picker.IsReady(NodeId(3)));
  EXPECT_FALSE(picker.IsReady(NodeId(5)));
  picker.SetReady(NodeId(2), true);  // a late answer
  EXPECT_FALSE(picker.IsReady(NodeId(2)));
}

}  // namespace
}  // namespace fermo::frontend
