// A disk that lied about a sync: what its node may say, and how it is given
// again what it lost.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tests/support/replica_cluster.h"

namespace fermo::test {
namespace {

using namespace std::chrono_literals;

class ReplicaSuspect : public testing::Test {
 protected:
  explicit ReplicaSuspect(std::vector<std::string> regions = {"firenze", "roma", "catania"})
      : c(std::move(regions), Options()) {}
  static cluster::ReplicaOptions Options() {
    cluster::ReplicaOptions options;
    options.repair_after = 1min;
    return options;
  }
  bool IsSuspect(int node) { return c.replica(node).GetView(c.now()).suspect; }
  // What node 1 answers to the question for this segment.
  std::optional<cluster::Fate> FateAt1(const SegmentId& id) {
    std::optional<cluster::Fate> fate;
    c.lose_control = [&](int from, const cluster::ControlMessage& message) {
      const auto* answer = std::get_if<cluster::InquireAnswer>(&message);
      if (from == 1 && answer != nullptr) fate = answer->fate;
      return false;
    };
    c.Feed(1, cluster::ControlReceived{c.Id(0), 1, cluster::Inquire{id}});
    c.lose_control = nullptr;
    return fate;
  }

  ReplicaCluster c;
};

TEST_F(ReplicaSuspect, WhatItLostItIsGivenAgain) {
  c.Run(1s);
  const VirtualDisk before = c.disk(1);
  const MessageId id = c.AcceptOne(0);
  ASSERT_TRUE(c.RunUntil([&] { return c.disk(1).Holds(id); }, 1s));
  c.Kill(1);
  c.RestartSuspect(1, before);
  EXPECT_TRUE(IsSuspect(1));
  ASSERT_TRUE(c.RunUntil([&] { return c.disk(1).Holds(id); }, 15s));
  ASSERT_TRUE(c.RunUntil([&] { return !IsSuspect(1); }, 1min));
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 30s));
  ASSERT_TRUE(c.RunUntil([&] { return c.Drained(); }, 1min));
  EXPECT_EQ(c.Extra(), 0);
}

// The owner still thinks that node 1 has the message, and would never send it.
TEST_F(ReplicaSuspect, WhatItLostOfAKnownSegmentItIsGivenAgain) {
  c.Run(1s);
  c.AcceptOne(0);
  c.Run(100ms);
  const VirtualDisk before = c.disk(1);
  const MessageId id = c.AcceptOne(0);
  ASSERT_TRUE(c.RunUntil([&] { return c.disk(1).Holds(id); }, 1s));
  c.Kill(1);
  c.RestartSuspect(1, before);
  EXPECT_TRUE(c.RunUntil([&] { return c.disk(1).Holds(id); }, 15s));
}

// Of a segment that was opened since nothing can be lost.
TEST_F(ReplicaSuspect, NewMailDoesNotKeepItSuspect) {
  c.Run(1s);
  const VirtualDisk before = c.disk(1);
  c.AcceptOne(0);
  c.Kill(1);
  c.RestartSuspect(1, before);
  for (int i = 0; i < 40; ++i) {
    c.Accept(0);
    c.Accept(2);
    c.Run(1s);
  }
  ASSERT_TRUE(c.RunUntil([&] { return !IsSuspect(1); }, 30s));
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.Lost() == 0; }, 1min));
}

// It was replaced by another owner, and does not know it.
TEST_F(ReplicaSuspect, AnEarlierOwnerCannotCallItTrusted) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Run(100ms);
  c.Kill(2);
  c.Kill(1);
  c.RestartSuspect(1, c.disk(1));
  ASSERT_TRUE(c.RunUntil([&] { return c.OwnerOf(id.segment) != -1; }, 30s));
  cluster::InventoryRequest request{c.replica(1).Find(id.segment)->record, true};
  request.segment.epoch = Epoch(1);
  request.segment.owner = c.Id(2);
  c.Feed(1, cluster::DataReceived{c.Id(2), request});
  EXPECT_TRUE(c.replica(1).Find(id.segment)->suspect);
}

// The mail that it has lost may be on node 2 alone.
TEST_F(ReplicaSuspect, ItStaysSuspectUntilEnoughOthersWereCompared) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Run(100ms);
  c.Kill(2);
  c.Kill(1);
  c.RestartSuspect(1, c.disk(1));
  c.Run(2min);
  EXPECT_TRUE(c.replica(1).Find(id.segment)->suspect);
  EXPECT_TRUE(IsSuspect(1));
  EXPECT_NE(c.OwnerOf(id.segment), -1) << "its promise counts for ownership";
  c.Restart(2);
  ASSERT_TRUE(c.RunUntil([&] { return !c.replica(1).Find(id.segment)->suspect; }, 30s));
  ASSERT_TRUE(c.RunUntil([&] { return !IsSuspect(1); }, 1min));
}

TEST_F(ReplicaSuspect, ItDoesNotSayThatItNeverHeardOfASegment) {
  c.Run(1s);
  const SegmentId lost{NodeId(9), 1, 1};
  EXPECT_EQ(FateAt1(lost), cluster::Fate::kUnknown);
  c.Kill(1);
  c.RestartSuspect(1, VirtualDisk());
  EXPECT_EQ(FateAt1(lost), cluster::Fate::kCannotTell);
  c.Run(20s);
  EXPECT_EQ(FateAt1(lost), cluster::Fate::kCannotTell);
  c.Run(15s);
  EXPECT_EQ(FateAt1(lost), cluster::Fate::kUnknown) << "all have named all";
}

// Who was away meanwhile may own a segment, and has not named it.
TEST_F(ReplicaSuspect, AMemberThatWasCutOffNamesAllAnew) {
  c.Run(1s);
  c.Kill(1);
  c.RestartSuspect(1, VirtualDisk());
  c.Run(20s);
  c.SetLink(1, 2, false);
  c.Run(20s);
  c.SetLink(1, 2, true);
  c.Run(5s);
  EXPECT_TRUE(IsSuspect(1));
  c.Run(30s);
  EXPECT_FALSE(IsSuspect(1));
}

TEST_F(ReplicaSuspect, ItPromisesNoEpochThatItMayHavePromised) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Run(100ms);
  const VirtualDisk before = c.disk(1);
  c.Kill(0);
  ASSERT_TRUE(c.RunUntil([&] { return c.OwnerOf(id.segment) > 0; }, 30s));
  const Epoch taken = c.replica(c.OwnerOf(id.segment)).Find(id.segment)->record.epoch;
  c.Kill(1);
  c.RestartSuspect(1, before);
  EXPECT_GT(c.replica(1).Find(id.segment)->promised, taken);
}

class ReplicaSuspectOfFour : public ReplicaSuspect {
 protected:
  ReplicaSuspectOfFour() : ReplicaSuspect({"firenze", "roma", "catania", "catania"}) {}
};

// Node 1 lost a message that else only the third holder has, who is away: with
// the two others the list would lose it.
TEST_F(ReplicaSuspectOfFour, NoListChangesWhileAHolderIsSuspect) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Run(100ms);
  const int third = c.replica(0).Find(id.segment)->record.HasHolder(c.Id(2)) ? 2 : 3;
  c.Kill(third);
  c.Kill(1);
  c.RestartSuspect(1, c.disk(1));
  c.Run(3min);
  const auto& record = c.replica(0).Find(id.segment)->record;
  EXPECT_TRUE(record.HasHolder(c.Id(third)));
  EXPECT_EQ(c.NotesOf("repair_started"), 0);
  c.EvictUntold(third);  // as an operator decides
  ASSERT_TRUE(c.RunUntil([&] { return !record.HasHolder(c.Id(third)); }, 1min));
}

// What it may have lost the others have; it comes up once more and dies for good.
TEST_F(ReplicaSuspectOfFour, ASuspectThatStaysAwayIsReplaced) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Run(100ms);
  c.Kill(1);
  c.RestartSuspect(1, c.disk(1));
  c.Run(300ms);
  c.Kill(1);
  EXPECT_TRUE(
      c.RunUntil([&] { return !c.replica(0).Find(id.segment)->record.HasHolder(c.Id(1)); }, 3min));
}

// What a former holder has counts for nothing; that it lacks something neither.
TEST_F(ReplicaSuspectOfFour, WhoWasReplacedIsTrustedAllTheSame) {
  c.Run(1s);
  c.AcceptOne(0);
  c.Run(100ms);
  const VirtualDisk before = c.disk(1);
  const MessageId id = c.AcceptOne(0);
  c.Kill(1);
  ASSERT_TRUE(
      c.RunUntil([&] { return !c.replica(0).Find(id.segment)->record.HasHolder(c.Id(1)); }, 3min));
  c.RestartSuspect(1, before);
  EXPECT_TRUE(c.RunUntil([&] { return !IsSuspect(1); }, 2min));
}

// It was closed with the consent of a former holder that has lost all of that.
TEST_F(ReplicaSuspectOfFour, AForgottenSegmentDoesNotStayWithAFormerHolder) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Kill(1);
  ASSERT_TRUE(
      c.RunUntil([&] { return !c.replica(0).Find(id.segment)->record.HasHolder(c.Id(1)); }, 3min));
  c.Restart(1);
  const auto is_former = [&] {
    const auto& known = c.disk(1).segments().at(id.segment).stored.record;
    return known.HadHolder(c.Id(1));
  };
  ASSERT_TRUE(c.RunUntil(is_former, 1min));
  const VirtualDisk before = c.disk(1);
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.Forgotten(id.segment); }, 2min));
  c.Kill(1);
  c.RestartSuspect(1, before);
  ASSERT_NE(c.replica(1).Find(id.segment), nullptr);
  EXPECT_TRUE(c.RunUntil([&] { return c.Forgotten(id.segment); }, 5min));
  EXPECT_EQ(c.Extra(), 0);
}

// Every holder of the list was evicted: nobody else has the mail.
TEST_F(ReplicaSuspectOfFour, AFormerHolderKeepsWhatMayBeTheLast) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  ASSERT_TRUE(c.RunUntil([&] { return c.disk(1).Holds(id); }, 1s));
  c.Kill(1);
  ASSERT_TRUE(
      c.RunUntil([&] { return !c.replica(0).Find(id.segment)->record.HasHolder(c.Id(1)); }, 3min));
  c.Restart(1);
  c.Run(30s);
  ASSERT_TRUE(c.replica(1).Find(id.segment)->record.HadHolder(c.Id(1)));
  for (int node : {0, 2, 3}) c.Kill(node);
  for (int node : {0, 2, 3}) c.EvictUntold(node);
  c.Run(5min);
  EXPECT_TRUE(c.disk(1).Holds(id));
}

TEST(ReplicaSuspectAlone, WithoutAConfigurationItCannotTellWhatItForgot) {
  cluster::ReplicaOptions options;
  options.self = NodeId(1);
  options.suspect = true;
  const Instant start{100h};
  cluster::Replica replica(options, cluster::Snapshot(), {}, start);
  replica.Step(cluster::Tick{}, start + 1s);
  EXPECT_TRUE(replica.GetView(start + 1s).suspect);
}

}  // namespace
}  // namespace fermo::test
