// Which nodes are chosen for new segments and new lists: none that can't keep up,
// and none whose copies would leave the mail in too few regions.
#include <gtest/gtest.h>

#include <vector>

#include "tests/support/replica_cluster.h"

namespace fermo::test {
namespace {

using namespace std::chrono_literals;

class ReplicaLaggards : public testing::Test {
 protected:
  const cluster::SegmentRecord& RecordOf(const SegmentId& id) {
    return c.replica(0).Find(id)->record;
  }
  static int Index(NodeId node) { return static_cast<int>(node.value()) - 1; }

  ReplicaCluster c{{"firenze", "roma", "catania", "bari", "pisa"}};
};

// Their disks are full, say. Two others have room.
TEST_F(ReplicaLaggards, TakeNoNewMail) {
  c.Run(1s);
  const SegmentId first = c.AcceptOne(0).segment;
  const std::vector<NodeId> slow(RecordOf(first).holders.begin() + 1,
                                 RecordOf(first).holders.end());
  for (NodeId node : slow) c.BlockWrites(Index(node), true);
  const cluster::UploadId stuck = c.Accept(0);
  c.Run(2s);
  ASSERT_EQ(c.Verdict(stuck), nullptr);
  const cluster::UploadId waits = c.Accept(0);
  EXPECT_EQ(c.replica(0).GetView(c.now()).segments, 1u) << "too early to tell";
  c.Run(1500ms);
  const MessageId id = c.AcceptOne(0);
  EXPECT_NE(id.segment, first);
  for (NodeId node : slow) EXPECT_FALSE(RecordOf(id.segment).HasHolder(node)) << Index(node);
  EXPECT_EQ(RecordOf(id.segment).holders.size(), 3u);
  // What was begun ends where it was begun.
  ASSERT_TRUE(c.RunUntil([&] { return c.Verdict(waits) != nullptr; }, 25s));
  EXPECT_TRUE(absl::IsUnknown(*c.Verdict(stuck)));
  EXPECT_TRUE(absl::IsUnknown(*c.Verdict(waits)));
  EXPECT_TRUE(RecordOf(first).sealed);
  EXPECT_FALSE(RecordOf(id.segment).sealed);
}

// A 250 does not wait for it.
TEST_F(ReplicaLaggards, OneOfThreeIsNone) {
  c.Run(1s);
  const SegmentId first = c.AcceptOne(0).segment;
  c.BlockWrites(Index(RecordOf(first).holders[2]), true);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(c.AcceptOne(0).segment, first);
    c.Run(1s);
  }
  EXPECT_FALSE(RecordOf(first).sealed);
}

// It is alive, and has no room.
TEST(ReplicaJoiner, ThatTookTooLongIsPassedOverTheNextTime) {
  cluster::ReplicaOptions options;
  options.repair_timeout = 1min;
  ReplicaCluster c{{"firenze", "roma", "catania", "bari", "pisa"}, options};
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Run(100ms);
  const auto record = [&]() -> const cluster::SegmentRecord& {
    return c.replica(0).Find(id.segment)->record;
  };
  std::vector<int> others;
  for (int node = 1; node < c.size(); ++node) {
    if (!record().HasHolder(c.Id(node))) others.push_back(node);
  }
  ASSERT_EQ(others.size(), 2u);
  for (int node : others) c.BlockWrites(node, true);
  c.Drain(static_cast<int>(record().holders[2].value()) - 1);
  const auto joining = [&](int node) {
    const cluster::Segment* known = c.replica(node).Find(id.segment);
    return known != nullptr && known->record.Proposes(c.Id(node));
  };
  ASSERT_TRUE(c.RunUntil([&] { return joining(others[0]) || joining(others[1]); }, 5s));
  const int full = joining(others[0]) ? others[0] : others[1];
  const int roomy = others[0] + others[1] - full;
  c.BlockWrites(roomy, false);
  ASSERT_TRUE(c.RunUntil([&] { return c.NotesOf("repair_took_too_long") == 1; }, 70s));
  EXPECT_TRUE(c.RunUntil([&] { return record().HasHolder(c.Id(roomy)); }, 50s));
  EXPECT_FALSE(record().HasHolder(c.Id(full)));
}

// Nodes 0 and 1 are in one region; 2 and 3 in the other.
class ReplicaTwoRegions : public testing::Test {
 protected:
  ReplicaCluster c{{"firenze", "firenze", "roma", "roma"}};
};

// Node 1 has nothing of what it is a holder of: W have all without it, but all of
// them in one region.
TEST_F(ReplicaTwoRegions, AListStandsOnlyWhenThoseWhoHaveAllAreInBoth) {
  c.Run(1s);
  c.BlockWrites(1, true);
  const MessageId id = c.AcceptOne(0);
  const auto record = [&]() -> const cluster::SegmentRecord& {
    return c.replica(0).Find(id.segment)->record;
  };
  ASSERT_TRUE(record().HasHolder(c.Id(1)));
  const int there = record().HasHolder(c.Id(2)) ? 2 : 3;
  const int joins = 5 - there;
  c.Drain(0);
  ASSERT_TRUE(c.RunUntil([&] { return c.disk(joins).Holds(id); }, 10s));
  c.Run(1min);
  ASSERT_FALSE(c.disk(1).Holds(id));
  EXPECT_EQ(c.NotesOf("holders_changed"), 0);
  EXPECT_TRUE(record().HasHolder(c.Id(0)));
  EXPECT_GT(c.replica(0).GetView(c.now()).to_hand_over, 0u);
  c.BlockWrites(1, false);
  ASSERT_TRUE(c.RunUntil([&] { return c.NotesOf("holders_changed") == 1; }, 1min));
  EXPECT_TRUE(c.disk(1).Holds(id));
  EXPECT_TRUE(c.RunUntil([&] { return c.replica(0).GetView(c.now()).to_hand_over == 0; }, 30s));
}

}  // namespace
}  // namespace fermo::test
