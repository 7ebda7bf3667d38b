// New holders for old: repair, eviction, draining, and what becomes of copies
// that no list names.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <variant>

#include "tests/support/replica_cluster.h"

namespace fermo::test {
namespace {

using namespace std::chrono_literals;

class ReplicaRepair : public testing::Test {
 protected:
  static cluster::ReplicaOptions Options() {
    cluster::ReplicaOptions options;
    options.segment_age = 5s;
    options.repair_after = 1min;
    return options;
  }
  const cluster::SegmentRecord& RecordAt(int node, const SegmentId& id) {
    return c.replica(node).Find(id)->record;
  }
  // The holder of `id` that is not among `not_these`.
  int HolderBut(const SegmentId& id, std::set<int> not_these) {
    for (NodeId holder : RecordAt(0, id).holders) {
      const int node = static_cast<int>(holder.value()) - 1;
      if (!not_these.contains(node)) return node;
    }
    return -1;
  }
  bool IsSealed(int node, const SegmentId& id) { return RecordAt(node, id).sealed; }

  ReplicaCluster c{{"firenze", "roma", "catania", "catania"}, Options()};
};

TEST_F(ReplicaRepair, AHolderThatIsAwayForLongIsReplaced) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  const int gone = HolderBut(id.segment, {0, 1});
  const int other = gone == 2 ? 3 : 2;
  c.Kill(gone);
  c.Run(50s);
  EXPECT_TRUE(RecordAt(0, id.segment).HasHolder(c.Id(gone))) << "before repair_after";
  EXPECT_FALSE(c.disk(other).Holds(id));
  ASSERT_TRUE(c.RunUntil([&] { return RecordAt(0, id.segment).HasHolder(c.Id(other)); }, 30s));
  const cluster::SegmentRecord& record = RecordAt(0, id.segment);
  EXPECT_TRUE(c.disk(other).Holds(id)) << "the copy comes before the list";
  EXPECT_FALSE(record.HasHolder(c.Id(gone)));
  EXPECT_TRUE(record.HadHolder(c.Id(gone)));
  EXPECT_EQ(record.epoch, Epoch(2));
  EXPECT_EQ(record.list_version, 2u);
  c.Restart(gone);
  c.Run(30s);
  EXPECT_EQ(c.OwnerOf(id.segment), 0) << "who was replaced takes nothing over";
  EXPECT_FALSE(RecordAt(gone, id.segment).HasHolder(c.Id(gone))) << "and has learned it";
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 5s));
  ASSERT_TRUE(c.RunUntil([&] { return c.Forgotten(id.segment); }, 30s));
  EXPECT_EQ(c.Extra(), 0);
}

TEST_F(ReplicaRepair, AClosedSegmentWaitsForWhoWasReplaced) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  const int gone = HolderBut(id.segment, {0, 1});
  c.Kill(gone);
  ASSERT_TRUE(c.RunUntil([&] { return RecordAt(0, id.segment).HadHolder(c.Id(gone)); }, 2min));
  c.primary_up = true;
  c.Run(1min);
  EXPECT_EQ(c.Deliveries(id), 1);
  ASSERT_NE(c.replica(0).Find(id.segment), nullptr) << "it could bring the mail back";
  c.Restart(gone);
  ASSERT_TRUE(c.RunUntil([&] { return c.Forgotten(id.segment); }, 1min));
  EXPECT_EQ(c.Extra(), 0);
}

// An upload under way holds the segment open: what it appends would be on the
// old list alone.
TEST_F(ReplicaRepair, AnOpenSegmentIsNotRepaired) {
  constexpr cluster::UploadId kSlow = 900;
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Feed(0, cluster::BeginUpload{kSlow, {}});
  ASSERT_TRUE(c.replica(0).IsOpen(kSlow));
  const int gone = HolderBut(id.segment, {0, 1});
  c.Kill(gone);
  c.Evict(gone);
  c.Run(30s);
  EXPECT_FALSE(IsSealed(0, id.segment));
  EXPECT_EQ(c.NotesOf("repair_started"), 0);
  c.Feed(0, cluster::AbandonUpload{kSlow});
  EXPECT_TRUE(IsSealed(0, id.segment));
  EXPECT_TRUE(c.RunUntil([&] { return RecordAt(0, id.segment).list_version == 2; }, 10s));
}

TEST_F(ReplicaRepair, AnEvictedHolderIsReplacedAtOnce) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  const int gone = HolderBut(id.segment, {0, 1});
  c.Kill(gone);
  c.Evict(gone);
  ASSERT_TRUE(
      c.RunUntil([&] { return RecordAt(0, id.segment).HasHolder(c.Id(gone == 2 ? 3 : 2)); }, 20s));
  EXPECT_FALSE(RecordAt(0, id.segment).HadHolder(c.Id(gone))) << "nobody waits for it";
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.Forgotten(id.segment); }, 30s));
  EXPECT_EQ(c.Deliveries(id), 1);
}

TEST_F(ReplicaRepair, NobodyListensToAnEvictedNodeThatDoesNotKnowOfIt) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.EvictUntold(0);
  ASSERT_TRUE(c.RunUntil([&] { return c.OwnerOf(id.segment) > 0; }, 30s));
  EXPECT_FALSE(c.replica(0).MayStart(id.segment, c.now())) << "nobody leases to it";
  const cluster::UploadId upload = c.Accept(0);
  ASSERT_TRUE(c.RunUntil([&] { return c.Verdict(upload) != nullptr; }, 30s));
  EXPECT_FALSE(c.Verdict(upload)->ok()) << "nobody copies for it";
}

TEST_F(ReplicaRepair, ADrainingOwnerHandsOver) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Drain(0);
  ASSERT_TRUE(c.RunUntil([&] { return c.replica(0).GetView(c.now()).to_hand_over == 0; }, 30s));
  ASSERT_TRUE(c.RunUntil([&] { return c.OwnerOf(id.segment) > 0; }, 30s));
  EXPECT_FALSE(RecordAt(c.OwnerOf(id.segment), id.segment).HasHolder(c.Id(0)));
  c.Kill(0);
  c.Evict(0);
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.Forgotten(id.segment); }, 1min));
  EXPECT_EQ(c.Deliveries(id), 1);
}

// Those who took it over may not know yet that they did.
TEST_F(ReplicaRepair, WhatIsHandedOverCountsUntilOneWhoTookItHasSaidSo) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.lose_control = [](int from, const cluster::ControlMessage& message) {
    return from != 0 && std::holds_alternative<cluster::Ask>(message);  // nobody claims
  };
  c.Drain(0);
  ASSERT_TRUE(c.RunUntil([&] { return c.NotesOf("handed_over") == 1; }, 30s));
  ASSERT_FALSE(RecordAt(0, id.segment).HasHolder(c.Id(0)));
  c.Run(30s);
  ASSERT_EQ(c.OwnerOf(id.segment), -1);
  EXPECT_GT(c.replica(0).GetView(c.now()).to_hand_over, 0u);
  c.lose_control = nullptr;
  ASSERT_TRUE(c.RunUntil([&] { return c.replica(0).GetView(c.now()).to_hand_over == 0; }, 30s));
  EXPECT_TRUE(RecordAt(0, id.segment).HasHolder(RecordAt(0, id.segment).owner));
  EXPECT_TRUE(c.RunUntil([&] { return c.OwnerOf(id.segment) > 0; }, 1s));
}

TEST_F(ReplicaRepair, ADrainingNodeTakesNoMailAndNoNewCopies) {
  c.Run(1s);
  c.Drain(2);
  EXPECT_FALSE(c.replica(2).CanAccept(c.now()).ok());
  for (int i = 0; i < 5; ++i) {
    const MessageId id = c.AcceptOne(0);
    EXPECT_FALSE(RecordAt(0, id.segment).HasHolder(c.Id(2)));
    c.Run(6s);  // the next one goes to another segment
  }
}

TEST_F(ReplicaRepair, AHandingOverWaitsForTheReplyToADot) {
  c.Run(1s);
  std::optional<MessageId> hanging;
  c.on_dot = [&](int, const MessageId& id) {
    hanging = id;
    return false;  // the primary has it and is slow to say so
  };
  c.primary_up = true;
  const MessageId id = c.AcceptOne(0);
  ASSERT_TRUE(c.RunUntil([&] { return hanging.has_value(); }, 5s));
  c.primary_up = false;
  c.Drain(0);
  c.Run(40s);
  EXPECT_EQ(c.OwnerOf(id.segment), 0);
  c.on_dot = nullptr;
  spool::LegOutcome delivered;
  delivered.outcome = spool::Outcome::kDelivered;
  c.Feed(0, cluster::EndAttempt{id, {delivered}});
  ASSERT_TRUE(c.RunUntil([&] { return c.replica(0).GetView(c.now()).to_hand_over == 0; }, 1min));
  c.primary_up = true;
  c.Run(1min);
  EXPECT_EQ(c.Deliveries(id), 1);
}

TEST_F(ReplicaRepair, CopiesGivenInAdvanceCountForNothing) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  const int gone = HolderBut(id.segment, {0, 1});
  const int guest = gone == 2 ? 3 : 2;
  c.lose_control = [](int, const cluster::ControlMessage& message) {
    return std::holds_alternative<cluster::Claim>(message);  // nothing is ever committed
  };
  c.Evict(gone);
  ASSERT_TRUE(c.RunUntil([&] { return c.disk(guest).Holds(id); }, 20s));
  EXPECT_FALSE(RecordAt(0, id.segment).HasHolder(c.Id(guest)));
  c.Kill(0);
  c.Kill(1);
  c.Run(1min + 10s);
  EXPECT_EQ(c.OwnerOf(id.segment), -1);
  EXPECT_EQ(c.replica(guest).Find(id.segment), nullptr) << "nobody names it any more";
  EXPECT_FALSE(c.disk(guest).Holds(id));
}

// The owner lives, but who was replaced can't reach it, and nobody else claims:
// only the answer to its own question can tell it.
TEST_F(ReplicaRepair, AClaimOnAnOlderListHearsOfTheNewer) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  const int gone = HolderBut(id.segment, {0, 1});
  const int other = gone == 2 ? 3 : 2;
  c.Kill(gone);
  ASSERT_TRUE(c.RunUntil([&] { return RecordAt(0, id.segment).HasHolder(c.Id(other)); }, 2min));
  c.SetLink(0, gone, false);
  c.Restart(gone);
  EXPECT_TRUE(RecordAt(gone, id.segment).HasHolder(c.Id(gone)));
  ASSERT_TRUE(c.RunUntil([&] { return !RecordAt(gone, id.segment).HasHolder(c.Id(gone)); }, 30s));
  // With it, a quorum of the old list is there, but none of the new.
  c.Kill(0);
  c.SetLink(1, other, false);
  c.Run(30s);
  EXPECT_EQ(c.OwnerOf(id.segment), -1);
  c.SetLink(1, other, true);
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 30s));
}

TEST_F(ReplicaRepair, CopiesStayInTheRegionsThatMayHoldThem) {
  c.Run(1s);
  c.upload_regions = {"catania", "firenze"};
  const cluster::UploadId outside = c.Accept(1);
  ASSERT_NE(c.Verdict(outside), nullptr);
  EXPECT_TRUE(absl::IsUnavailable(*c.Verdict(outside))) << "another node may take it";
  const MessageId id = c.AcceptOne(0);
  EXPECT_FALSE(RecordAt(0, id.segment).HasHolder(c.Id(1)));
  c.Run(6s);
  c.Kill(2);
  c.Evict(2);
  c.Run(30s);
  EXPECT_FALSE(c.disk(1).Holds(id));
  EXPECT_FALSE(RecordAt(0, id.segment).HasHolder(c.Id(1)));
}

class ReplicaRemnant : public testing::Test {
 protected:
  ReplicaCluster c{{"firenze", "roma", "catania"}};
};

TEST_F(ReplicaRemnant, ADrainOfThreeLeavesAListOfTwo) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Drain(2);
  ASSERT_TRUE(c.RunUntil([&] { return c.replica(2).GetView(c.now()).to_hand_over == 0; }, 30s));
  EXPECT_EQ(c.replica(0).Find(id.segment)->record.holders.size(), 2u);
}

TEST_F(ReplicaRemnant, TheLastOneOfThreeDelivers) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  ASSERT_TRUE(c.RunUntil([&] { return c.disk(2).Holds(id); }, 1s));
  for (int node : {0, 1}) {
    c.Kill(node);
    c.Evict(node);
  }
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 30s));
  ASSERT_TRUE(c.RunUntil([&] { return c.Forgotten(id.segment); }, 30s));
}

TEST(ReplicaRemnantOfFour, AsksEveryMemberFirst) {
  ReplicaCluster c{{"firenze", "roma", "catania", "catania"}};
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  const auto& holders = c.replica(0).Find(id.segment)->record.holders;
  const int third = static_cast<int>(holders.back().value()) - 1;
  ASSERT_TRUE(c.RunUntil([&] { return c.disk(1).Holds(id) && c.disk(third).Holds(id); }, 1s));
  const int stranger = 5 - third;
  c.Isolate(stranger, true);
  for (int node : {0, third}) {
    c.Kill(node);
    c.Evict(node);
  }
  c.primary_up = true;
  c.Run(1min);
  EXPECT_EQ(c.Deliveries(id), 0) << "the other may know of a newer list";
  c.Isolate(stranger, false);
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 30s));
}

// It was cut off while the others made a list without it, and then left.
TEST(ReplicaRemnantOfFour, AnOwnerOfWhichAllOthersAreEvictedAsksAsWell) {
  ReplicaCluster c{{"firenze", "roma", "catania", "catania"}};
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  const auto holders = c.replica(0).Find(id.segment)->record.holders;
  const int third = static_cast<int>(holders.back().value()) - 1;
  ASSERT_TRUE(c.RunUntil([&] { return c.disk(1).Holds(id) && c.disk(third).Holds(id); }, 1s));
  c.Isolate(0, true);
  for (int node : {1, third}) {
    c.Kill(node);
    c.Evict(node);
  }
  c.primary_up = true;
  c.Run(1min);
  EXPECT_EQ(c.Deliveries(id), 0) << "the fourth may know of a newer list";
  c.Isolate(0, false);
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 30s));
}

// One of the new list of two is evicted before it stands: with who is to leave
// there are two copies, with the new list one.
TEST(ReplicaListOfThree, AListThatAnEvictionMadeTheWeakerOneIsGone) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(1s);
  const SegmentId segment = c.AcceptOne(0).segment;
  c.lose_control = [](int, const cluster::ControlMessage& message) {
    return std::holds_alternative<cluster::Promise>(message);
  };
  c.Drain(2);
  const auto proposed = [&] {
    return c.replica(1).Find(segment)->record.next_holders == std::vector{c.Id(0), c.Id(1)};
  };
  ASSERT_TRUE(c.RunUntil(proposed, 1min));
  c.Kill(0);
  c.lose_control = nullptr;
  c.Evict(0);
  ASSERT_TRUE(c.RunUntil([&] { return c.OwnerOf(segment) > 0; }, 40s));
  EXPECT_EQ(c.NotesOf("holders_kept"), 1);
  EXPECT_EQ(c.NotesOf("holders_changed"), 0);
  EXPECT_GT(c.replica(2).GetView(c.now()).to_hand_over, 0u);
}

}  // namespace
}  // namespace fermo::test
