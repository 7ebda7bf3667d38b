// Outcomes, the end of messages and of segments, and chaos from seeds.
#include <gtest/gtest.h>

#include "lib/base/random.h"
#include "tests/support/replica_cluster.h"

namespace fermo::test {
namespace {

using namespace std::chrono_literals;

cluster::ReplicaOptions SmallSegments() {
  cluster::ReplicaOptions options;
  options.segment_messages = 5;
  return options;
}

TEST(ReplicaOutcome, BodiesGoOnceWHoldersKnowTheOutcome) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(1s);
  c.primary_up = true;
  auto upload = c.Accept(0, 3);
  ASSERT_TRUE(c.RunUntil([&] { return c.Drained() && c.Verdict(upload); }, 5s));
  const MessageId id = c.IdOf(upload);
  EXPECT_EQ(c.Deliveries(id), 1);
  c.Run(10ms);  // the disks follow
  for (int node = 0; node < 3; ++node) {
    EXPECT_FALSE(c.disk(node).Holds(id));
    EXPECT_TRUE(cluster::Contains(c.replica(node).Find(id.segment)->finished, id.seq));
  }
}

// Of a finished message only a mark is left, which is an answer as well: an owner
// that was cut off would repeat what W others know to be done.
TEST(ReplicaOutcome, AFinishedMessageAnswersAnAnnouncementWithItsOutcomes) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(1s);
  c.primary_up = true;
  const MessageId id = c.AcceptOne(0, 2);
  ASSERT_TRUE(c.RunUntil([&] { return c.Drained(); }, 5s));
  c.Run(10ms);
  const cluster::Segment& segment = *c.replica(1).Find(id.segment);
  ASSERT_TRUE(cluster::Contains(segment.finished, id.seq));
  std::vector<spool::LegOutcome> told;
  c.lose_control = [&](int from, const cluster::ControlMessage& message) {
    const auto* answer = std::get_if<cluster::AnnounceAnswer>(&message);
    if (from == 1 && answer != nullptr) told = answer->known;
    return false;
  };
  const cluster::Announce announce{id.segment, Epoch(1), id.seq, {0, 1}};
  c.Feed(1, cluster::ControlReceived{c.Id(0), 1, announce});
  c.Run(10ms);
  ASSERT_EQ(told.size(), 2u);
  for (uint32_t leg : {0u, 1u}) {
    EXPECT_EQ(told[leg].leg, leg);
    EXPECT_EQ(told[leg].outcome, spool::Outcome::kDelivered);
  }
  EXPECT_TRUE(segment.heard.empty()) << "what is over holds nothing up";
}

// The data stream may be far behind the control stream: who heard that an attempt
// is over would begin another, and repeat the legs that are done.
TEST(ReplicaOutcome, AnAttemptThatEndsTellsWhatItHasWithItsWithdrawal) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(1s);
  c.one_leg_at_a_time = true;
  std::vector<spool::LegOutcome> told;
  c.lose_control = [&](int from, const cluster::ControlMessage& message) {
    const auto* withdraw = std::get_if<cluster::Withdraw>(&message);
    if (from == 0 && withdraw != nullptr) told = withdraw->outcomes;
    return false;
  };
  const MessageId id = c.AcceptOne(0, 2);
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.LegDeliveries(id, 0) == 1 && !told.empty(); }, 5s));
  EXPECT_EQ(told[0].leg, 0u);
  EXPECT_EQ(told[0].outcome, spool::Outcome::kDelivered);
}

TEST(ReplicaOutcome, WhoHearsOfAWithdrawalKnowsItsOutcomes) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(1s);
  const MessageId id = c.AcceptOne(0, 2);
  spool::LegOutcome outcome;
  outcome.seq = id.seq;
  outcome.outcome = spool::Outcome::kDelivered;
  outcome.epoch = Epoch(1);
  outcome.node = c.Id(0);
  const cluster::Withdraw withdraw{id.segment, Epoch(1), id.seq, {outcome}};
  c.Feed(1, cluster::ControlReceived{c.Id(0), 1, withdraw});
  c.Run(10ms);
  EXPECT_TRUE(c.disk(1).KnowsOutcome(id, 0));
}

// A holder that dies takes along what it had not handed to the system.
TEST(ReplicaOutcome, AnAnnouncementIsAcknowledgedOnceItIsWritten) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(1s);
  int acknowledged = 0;
  c.lose_control = [&](int from, const cluster::ControlMessage& message) {
    acknowledged += from == 1 && std::holds_alternative<cluster::AnnounceAnswer>(message);
    return false;
  };
  const MessageId id = c.AcceptOne(0);
  c.Run(100ms);
  c.BlockWrites(1, true);
  const cluster::Announce announce{id.segment, Epoch(1), id.seq, {0}};
  c.Feed(1, cluster::ControlReceived{c.Id(0), 1, announce});
  c.Feed(1, cluster::ControlReceived{c.Id(0), 1, announce});  // doubled on its way
  c.Run(1s);
  EXPECT_EQ(acknowledged, 0);
  c.BlockWrites(1, false);
  c.Run(100ms);
  EXPECT_EQ(acknowledged, 2);
}

// A lost owner's attempt ends late; the mark may be its successor's by then.
TEST(ReplicaOutcome, AnAttemptThatEndsTakesOnlyItsOwnMarkAlong) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  const cluster::Announce announce{id.segment, Epoch(1), id.seq, {0}};
  c.Feed(1, cluster::ControlReceived{c.Id(0), 1, announce});
  c.Feed(1, cluster::EndAttempt{id, {}});
  EXPECT_TRUE(c.replica(1).Find(id.segment)->heard.contains(id.seq));
}

TEST(ReplicaOutcome, WithoutASecondHolderTheBodyStays) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(1s);
  auto upload = c.Accept(0);
  c.Run(2s);
  c.on_dot = [&](int, const MessageId&) {
    c.BlockWrites(1, true);
    c.BlockWrites(2, true);
    return true;
  };
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(c.IdOf(upload)) == 1; }, 2s));
  c.Run(2s);
  EXPECT_TRUE(c.disk(0).Holds(c.IdOf(upload)));
  c.BlockWrites(1, false);
  c.BlockWrites(2, false);
  EXPECT_TRUE(c.RunUntil([&] { return c.Drained(); }, 5s));
}

TEST(ReplicaOutcome, ASealedSegmentThatIsDoneIsForgottenByAll) {
  ReplicaCluster c({"firenze", "roma", "catania"}, SmallSegments());
  c.Run(1s);
  c.primary_up = true;
  std::vector<cluster::UploadId> uploads;
  for (int i = 0; i < 5; ++i) uploads.push_back(c.Accept(0));
  c.Run(100ms);
  const SegmentId segment = c.IdOf(uploads[0]).segment;
  auto forgotten = [&] {
    for (int node = 0; node < 3; ++node) {
      if (c.replica(node).Find(segment) != nullptr || !c.disk(node).Empty()) return false;
    }
    return true;
  };
  EXPECT_TRUE(c.RunUntil(forgotten, 10s));
  c.Run(60s);
  EXPECT_TRUE(forgotten()) << "a late heartbeat brought it back";
  EXPECT_EQ(c.NotesOf("takeover"), 0);
}

TEST(ReplicaOutcome, TheClosedRecordOfItsOwnerListsWhatItHeld) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(1s);
  c.primary_up = true;
  const MessageId id = c.AcceptOne(0);
  c.Feed(0, cluster::StopAccepting{});
  ASSERT_TRUE(c.RunUntil([&] { return c.NotesOf("segment_closed") == 1; }, 1min));
  const auto& stored = c.disk(0).segments().at(id.segment).stored;
  EXPECT_TRUE(stored.closed);
  EXPECT_EQ(stored.finished_ranges, (std::vector<uint32_t>{0, 1}));
}

TEST(ReplicaOutcome, ASegmentIsNotForgottenWhileAHolderIsAway) {
  ReplicaCluster c({"firenze", "roma", "catania"}, SmallSegments());
  c.Run(1s);
  std::vector<cluster::UploadId> uploads;
  for (int i = 0; i < 5; ++i) uploads.push_back(c.Accept(0));
  c.Run(100ms);
  c.Kill(2);
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.Drained(); }, 10s));
  c.Run(2min);
  const SegmentId segment = c.IdOf(uploads[0]).segment;
  EXPECT_NE(c.replica(0).Find(segment), nullptr);
  c.Restart(2);
  auto forgotten = [&] {
    for (int node = 0; node < 3; ++node) {
      if (c.replica(node).Find(segment) != nullptr) return false;
    }
    return true;
  };
  EXPECT_TRUE(c.RunUntil(forgotten, 2min));
  for (const MessageId& id : c.Accepted()) EXPECT_EQ(c.Deliveries(id), 1) << "resurrected";
}

TEST(ReplicaOutcome, AnOutcomeLearnedBeforeTheOwnersDeathIsNotRepeated) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(1s);
  auto upload = c.Accept(0);
  c.Run(2s);
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(c.IdOf(upload)) == 1; }, 2s));
  c.Run(20ms);  // the outcome reaches the others
  c.Kill(0);
  c.Run(15min);
  EXPECT_EQ(c.Deliveries(c.IdOf(upload)), 1);
}

TEST(ReplicaOutcome, AnAttemptThatAnOutcomeStopsIsNotedOnce) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Run(2s);
  c.lose_control = [](int, const cluster::ControlMessage& message) {
    return std::holds_alternative<cluster::AnnounceAnswer>(message);
  };
  c.Feed(0, cluster::BeginAttempt{id, {0}});
  spool::LegOutcome outcome;
  outcome.seq = id.seq;
  outcome.outcome = spool::Outcome::kDelivered;
  const Epoch epoch = c.replica(0).Find(id.segment)->record.epoch;
  const cluster::AnnounceAnswer known{id.segment, epoch, id.seq, false, {outcome}};
  for (int node : {1, 2}) c.Feed(0, cluster::ControlReceived{c.Id(node), 1, known});
  EXPECT_EQ(c.NotesOf("attempt_suppressed"), 1) << "two holders know of it";
  c.Feed(0, cluster::EndAttempt{id, {}});
  c.Feed(0, cluster::BeginAttempt{id, {0}});
  EXPECT_EQ(c.NotesOf("attempt_suppressed"), 2) << "it knows by itself now";
}

TEST(ReplicaOutcome, AHolderPassesOnWhatAnEarlierOwnerTellsIt) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Run(100ms);
  c.Kill(0);
  ASSERT_TRUE(c.RunUntil([&] { return c.OwnerOf(id.segment) > 0; }, 30s));
  const int owner = c.OwnerOf(id.segment);
  spool::LegOutcome outcome;
  outcome.seq = id.seq;
  outcome.outcome = spool::Outcome::kDelivered;
  // Its reply came late, and it reaches only the other one.
  c.Feed(3 - owner, cluster::DataReceived{c.Id(0), cluster::Outcomes{id.segment, {outcome}}});
  c.Run(100ms);
  EXPECT_TRUE(c.disk(owner).KnowsOutcome(id, 0));
}

// Kills, restarts and partitions from a seed while mail flows; afterwards all
// heals. The full simulator has more faults; this one runs in every build.
class ReplicaChaos : public testing::TestWithParam<int> {};

TEST_P(ReplicaChaos, NothingAcceptedIsLostAndEverythingConverges) {
  const uint64_t seed = GetParam();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Rng rng(seed);
  cluster::ReplicaOptions options;
  options.append_budget = 5s;
  options.grace = 30s;  // the dots of this test get their answer at once
  options.segment_messages = 8;
  ReplicaCluster c({"firenze", "roma", "catania"}, options, seed);
  c.one_leg_at_a_time = rng.OneIn(0.5);
  c.Run(1s);
  // A dot whose outcome was not yet on W disks when its node died or was cut
  // off may be repeated (D3): an outcome takes a write and two hops.
  std::vector<Instant> dots;
  int explained = 0;
  c.on_dot = [&](int, const MessageId&) {
    dots.push_back(c.now());
    return true;
  };
  auto fault = [&] {
    for (Instant dot : dots) explained += c.now() - dot <= 10ms ? 3 : 0;
  };
  for (int round = 0; round < 60; ++round) {
    const int node = static_cast<int>(rng.Uniform(3));
    switch (rng.Uniform(8)) {
      case 0:
        if (c.IsUp(node)) {
          fault();
          c.Kill(node);
        }
        break;
      case 1:
        if (!c.IsUp(node)) c.Restart(node);
        break;
      case 2:
        fault();
        c.SetLink(node, (node + 1) % 3, rng.OneIn(0.5));
        break;
      case 3:
        c.primary_up = rng.OneIn(0.7);
        break;
      default:
        if (c.IsUp(node)) c.Accept(node, 1 + rng.Uniform(3), 1 + rng.Uniform(3));
    }
    c.Run(Duration(1ms) * (1 + rng.Uniform(3000)));
  }
  for (int node = 0; node < 3; ++node) {
    c.Isolate(node, false);
    if (!c.IsUp(node)) c.Restart(node);
  }
  c.primary_up = true;
  EXPECT_TRUE(c.RunUntil([&] { return c.Drained(); }, 3min)) << "mail is left";
  EXPECT_EQ(c.Lost(), 0);
  EXPECT_LE(c.Extra(), explained) << "duplicates that no fault explains";
  for (const auto& [key, nodes] : c.owners()) EXPECT_EQ(nodes.size(), 1u) << "two owners";
}

INSTANTIATE_TEST_SUITE_P(Seeds, ReplicaChaos, testing::Range(1, 201));

}  // namespace
}  // namespace fermo::test
