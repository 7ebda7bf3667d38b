// Leases, announcements and claims: who may deliver, and who takes over.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "tests/support/replica_cluster.h"

namespace fermo::test {
namespace {

using namespace std::chrono_literals;

class ReplicaTakeover : public testing::Test {
 protected:
  void ExpectOneOwnerPerEpoch() {
    for (const auto& [key, nodes] : c.owners()) EXPECT_EQ(nodes.size(), 1u);
  }

  ReplicaCluster c{{"firenze", "roma", "catania"}};
};

TEST_F(ReplicaTakeover, TheWriterDeliversOnceLeasesRun) {
  c.Run(1s);
  c.primary_up = true;
  const MessageId id = c.AcceptOne(0);
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 2s));
  ASSERT_TRUE(c.RunUntil([&] { return c.Drained(); }, 2s));
  EXPECT_EQ(c.NotesOf("takeover") + c.NotesOf("claim_started"), 0);
  EXPECT_EQ(c.NotesOf("attempt_suppressed"), 0);
}

TEST_F(ReplicaTakeover, SurvivorsDeliverWhatADeadNodeAccepted) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Kill(0);
  const Instant killed = c.now();
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 20s));
  EXPECT_LE(c.now() - killed, 15s);
  EXPECT_GE(c.now() - killed, 9s) << "before the lease can have run out";
  c.Run(30s);
  EXPECT_EQ(c.Deliveries(id), 1);
  ExpectOneOwnerPerEpoch();
}

// Else the answer to the first would give leases on what only the second named.
TEST_F(ReplicaTakeover, NoTwoHeartbeatsToOneNodeAreAlike) {
  c.Run(1s);
  c.AcceptOne(0);
  c.upload_regions = {"firenze", "roma", "catania"};  // a segment of its own
  c.AcceptOne(0);
  c.Run(1s);
  std::vector<std::pair<Instant, uint64_t>> sent;  // by node 1, to the only one that is left
  c.lose_control = [&](int from, const cluster::ControlMessage& message) {
    const auto* heartbeat = std::get_if<cluster::Heartbeat>(&message);
    if (from == 1 && heartbeat != nullptr) sent.emplace_back(c.now(), heartbeat->sent_at);
    return false;
  };
  c.Kill(0);
  ASSERT_TRUE(c.RunUntil([&] { return c.NotesOf("takeover") == 2; }, 30s));
  std::set<Instant> times;
  std::set<uint64_t> numbers;
  for (const auto& [at, number] : sent) {
    times.insert(at);
    EXPECT_TRUE(numbers.insert(number).second);
  }
  EXPECT_LT(times.size(), sent.size()) << "both segments are taken over at once";
}

// What node 2 promises, by epoch, once every lease has ended and nobody but the
// test speaks.
class ReplicaPromise : public ReplicaTakeover {
 protected:
  void SetUp() override {
    c.Run(1s);
    const MessageId id = c.AcceptOne(0);
    c.Run(100ms);
    c.lose_control = [this](int from, const cluster::ControlMessage& message) {
      const auto* promise = std::get_if<cluster::Promise>(&message);
      if (from == 2 && promise != nullptr) granted[promise->epoch] = promise->granted;
      return true;
    };
    c.Run(15s);
    record = c.replica(2).Find(id.segment)->record;
  }
  void Claim(int claimant, Epoch epoch) {
    c.Feed(2, cluster::ControlReceived{c.Id(claimant), 1, cluster::Claim{record, epoch}});
  }

  std::map<Epoch, bool> granted;
  cluster::SegmentRecord record;
};

TEST_F(ReplicaPromise, IsOnDiskBeforeItIsGiven) {
  c.BlockWrites(2, true);
  Claim(1, Epoch(50));
  c.Run(1s);
  EXPECT_TRUE(granted.empty());
  c.BlockWrites(2, false);
  c.Run(100ms);
  EXPECT_EQ(granted, (std::map<Epoch, bool>{{Epoch(50), true}}));
  EXPECT_EQ(c.disk(2).segments().at(record.id).stored.promised, Epoch(50));
}

TEST_F(ReplicaPromise, OfTwoUnderWayOnlyTheHigherIsGiven) {
  c.BlockWrites(2, true);
  Claim(0, Epoch(50));
  Claim(1, Epoch(60));
  c.BlockWrites(2, false);
  c.Run(100ms);
  EXPECT_EQ(granted, (std::map<Epoch, bool>{{Epoch(50), false}, {Epoch(60), true}}));
}

TEST_F(ReplicaTakeover, AClaimantThatPromisedAnotherMoreDoesNotWin) {
  c.Run(1s);
  const SegmentId segment = c.AcceptOne(0).segment;
  c.Run(100ms);
  std::optional<cluster::Promise> late;
  int promiser = -1;
  c.lose_control = [&](int from, const cluster::ControlMessage& message) {
    const auto* promise = std::get_if<cluster::Promise>(&message);
    if (promise == nullptr) return false;
    if (!late) late = *promise;
    if (promiser < 0) promiser = from;
    return true;
  };
  c.Kill(0);
  ASSERT_TRUE(c.RunUntil([&] { return late.has_value(); }, 30s));
  const int claimant = 3 - promiser;
  const auto hear = [&](cluster::ControlMessage message) {
    c.Feed(claimant, cluster::ControlReceived{c.Id(promiser), 1, std::move(message)});
    c.Run(10ms);
  };
  const Epoch higher(late->epoch.value() + 1);
  hear(cluster::Claim{c.replica(claimant).Find(segment)->record, higher});
  ASSERT_EQ(c.replica(claimant).Find(segment)->promised, higher);
  hear(*late);
  EXPECT_EQ(c.NotesOf("takeover"), 0);
}

TEST_F(ReplicaTakeover, AClaimantFetchesWhatItLacks) {
  c.Run(1s);
  c.SetLink(0, 1, false);  // roma gets no copy, whichever rank it has
  const MessageId id = c.AcceptOne(0);
  ASSERT_FALSE(c.disk(1).Holds(id));
  c.Kill(0);
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 30s));
  c.Run(5s);
  EXPECT_EQ(c.Deliveries(id), 1);
}

TEST_F(ReplicaTakeover, NobodyClaimsWhileTheOwnerReachesOneOfThem) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.SetLink(0, 2, false);
  c.Run(60s);
  EXPECT_EQ(c.NotesOf("takeover"), 0) << "a claim is asked for first, and refused by the lease";
  EXPECT_EQ(c.NotesOf("claim_started"), 1) << "one, of many rounds";
  EXPECT_GT(c.NotesOf("claim_refused"), 1);
  EXPECT_EQ(c.OwnerOf(id.segment), 0);
}

TEST_F(ReplicaTakeover, AnIsolatedOwnerStopsBeforeTheOthersTakeOver) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Isolate(0, true);
  ASSERT_TRUE(c.RunUntil([&] { return c.NotesOf("takeover") > 0; }, 20s));
  EXPECT_FALSE(c.replica(0).MayStart(id.segment, c.now()));
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 5s));
  c.Isolate(0, false);
  ASSERT_TRUE(c.RunUntil([&] { return c.Drained(); }, 30s));
  EXPECT_EQ(c.Deliveries(id), 1);
  // Nobody has anything to deliver: the segment is closed and forgotten.
  EXPECT_TRUE(c.RunUntil([&] { return c.OwnersOf(id.segment) == 0; }, 30s));
}

TEST_F(ReplicaTakeover, AnIsolatedOwnerSendsNoFinalDotOnceItsLeasesHaveEnded) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Run(2s);
  c.Feed(0, cluster::BeginAttempt{id, {0}});
  c.Run(100ms);
  ASSERT_TRUE(c.replica(0).MayFinish(id, c.now())) << "announced and leased";
  c.Isolate(0, true);
  c.Run(10s);
  EXPECT_FALSE(c.replica(0).MayStart(id.segment, c.now()));
  EXPECT_FALSE(c.replica(0).MayFinish(id, c.now()));
}

TEST_F(ReplicaTakeover, LegsThatAreLeftAreDeliveredByAClaimantThatLackedTheMessage) {
  c.Run(1s);
  c.SetLink(0, 1, false);
  auto upload = c.Accept(0, 3);
  ASSERT_TRUE(c.RunUntil([&] { return c.Verdict(upload) != nullptr; }, 1s));
  const MessageId id = c.IdOf(upload);
  c.one_leg_at_a_time = true;
  c.on_dot = [&](int, const MessageId&) {
    c.primary_up = false;
    return true;
  };
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.LegDeliveries(id, 0) == 1; }, 3s));
  c.Run(50ms);
  c.Kill(0);
  c.on_dot = nullptr;
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.Lost() == 0; }, 60s));
  EXPECT_TRUE(c.RunUntil([&] { return c.Drained(); }, 60s));
  EXPECT_EQ(c.Extra(), 0);
}

TEST_F(ReplicaTakeover, WithoutWAcknowledgementsNoDotGoes) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Run(2s);
  ASSERT_TRUE(c.replica(0).MayStart(id.segment, c.now())) << "the leases run";
  c.Isolate(0, true);  // the announcement can't get out
  c.Feed(0, cluster::BeginAttempt{id, {0}});
  c.Run(1s);
  EXPECT_TRUE(c.replica(0).MayStart(id.segment, c.now()));
  EXPECT_FALSE(c.replica(0).MayFinish(id, c.now()));
}

TEST_F(ReplicaTakeover, AnAnnouncedLegWaitsOutTheGraceWhenTheOwnerStaysDead) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.on_dot = [&](int node, const MessageId&) {
    if (node == 0) c.Kill(0);
    return node != 0;
  };
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return !c.IsUp(0); }, 3s));
  ASSERT_EQ(c.Deliveries(id), 1);
  c.Run(12min);
  EXPECT_EQ(c.Deliveries(id), 1) << "repeated within the grace";
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 2; }, 2min))
      << "never tried again: the dot might not have arrived";
}

// What became of one leg is told again when inventories are compared, on the other
// stream than the announcement for the leg that is left.
TEST_F(ReplicaTakeover, AnOlderOutcomeDoesNotEndTheGraceOfAnotherLeg) {
  c.Run(1s);
  c.one_leg_at_a_time = true;
  const MessageId id = c.AcceptOne(0, 2);
  c.on_dot = [&](int node, const MessageId&) {
    if (c.LegDeliveries(id, 1) == 1) c.primary_up = false;
    return c.LegDeliveries(id, 1) == 0 || node != 0;
  };
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.LegDeliveries(id, 1) == 1; }, 10min));
  ASSERT_TRUE(c.disk(1).KnowsOutcome(id, 0));
  spool::LegOutcome first;
  first.seq = id.seq;
  first.outcome = spool::Outcome::kDelivered;
  first.epoch = Epoch(1);
  first.node = c.Id(0);
  for (int node : {1, 2}) {
    c.Feed(node, cluster::DataReceived{c.Id(0), cluster::Outcomes{id.segment, {first}}});
  }
  c.Kill(0);
  c.primary_up = true;
  c.Run(12min);
  EXPECT_EQ(c.LegDeliveries(id, 1), 1) << "repeated within the grace";
  EXPECT_TRUE(c.RunUntil([&] { return c.LegDeliveries(id, 1) == 2; }, 2min));
}

// A transaction may be long before its final dot is sent, and the reply to that
// takes up to ten minutes more.
TEST_F(ReplicaTakeover, TheGraceCountsFromTheLastRenewal) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Feed(0, cluster::BeginAttempt{id, {0}});
  c.Run(12min);
  EXPECT_TRUE(c.replica(0).MayFinish(id, c.now()));
  c.Kill(0);
  c.primary_up = true;
  c.Run(11min);
  EXPECT_EQ(c.Deliveries(id), 0);
  EXPECT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 5min));
}

// Later it would not be covered by the grace of who heard it.
TEST_F(ReplicaTakeover, AnAnnouncementOlderThanTwoMinutesGivesNoLeaveForAFinalDot) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Run(2s);
  c.Feed(0, cluster::BeginAttempt{id, {0}});
  c.Run(10ms);
  ASSERT_TRUE(c.replica(0).MayFinish(id, c.now()));
  c.lose_control = [](int, const cluster::ControlMessage& message) {
    return std::holds_alternative<cluster::AnnounceAnswer>(message);
  };
  c.Run(119s);
  EXPECT_TRUE(c.replica(0).MayFinish(id, c.now()));
  c.Run(2s);
  ASSERT_TRUE(c.replica(0).MayStart(id.segment, c.now())) << "the leases run";
  EXPECT_FALSE(c.replica(0).MayFinish(id, c.now()));
  c.lose_control = nullptr;
  EXPECT_TRUE(c.RunUntil([&] { return c.replica(0).MayFinish(id, c.now()); }, 61s))
      << "a renewal that is heard gives leave again";
}

TEST_F(ReplicaTakeover, AnAnnouncedLegIsFreeWhenItsOwnerShowsANewBoot) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  bool first = true;
  c.on_dot = [&](int, const MessageId&) {
    if (!std::exchange(first, false)) return true;
    c.Kill(0);
    return false;
  };
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return !c.IsUp(0); }, 3s));
  c.Run(20s);
  EXPECT_EQ(c.Deliveries(id), 1);
  c.Restart(0);
  EXPECT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 2; }, 20s));
}

TEST_F(ReplicaTakeover, ANodeThatHasJustBootedPromisesNothing) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Kill(0);
  c.Kill(1);
  c.Run(100ms);
  c.Restart(1);  // forgets what leases it granted
  const Instant booted = c.now();
  ASSERT_TRUE(c.RunUntil([&] { return c.NotesOf("takeover") > 0; }, 30s));
  EXPECT_GE(c.now() - booted, 10300ms);
  c.primary_up = true;
  EXPECT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 5s));
}

TEST_F(ReplicaTakeover, AWholeClusterThatRestartsDeliversWhatItHad) {
  c.Run(1s);
  std::vector<MessageId> ids;
  for (int i = 0; i < 30; ++i) ids.push_back(c.AcceptOne(i % 3));
  for (int node = 0; node < 3; ++node) c.Kill(node);
  c.Run(1s);
  for (int node = 0; node < 3; ++node) c.Restart(node);
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.deliveries().size() == ids.size(); }, 30s));
  ASSERT_TRUE(c.RunUntil([&] { return c.Drained(); }, 30s));
  for (const MessageId& id : ids) EXPECT_EQ(c.Deliveries(id), 1);
}

TEST_F(ReplicaTakeover, APromiseFencesLaterAppendsOfTheOldEpoch) {
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  cluster::SegmentRecord record = c.replica(0).Find(id.segment)->record;
  c.Isolate(0, true);
  ASSERT_TRUE(c.RunUntil([&] { return c.NotesOf("takeover") > 0; }, 20s));
  const int claimant = c.OwnerOf(id.segment) == 1 ? 1 : 2;
  spool::MessageRecord message;
  message.envelope.forward_paths = {"late@example.test"};
  message.chunks = 1;
  message.size = 1;
  cluster::Append late{record, Seq(1), MakeBytes(spool::Encode(message)), MakeBytes("x"), false};
  for (int node : {1, 2}) c.Feed(node, cluster::DataReceived{c.Id(0), late});
  c.Run(1s);
  EXPECT_FALSE(c.disk(claimant).Holds({id.segment, Seq(1)}));
  EXPECT_FALSE(c.disk(3 - claimant).Holds({id.segment, Seq(1)}));
}

TEST_F(ReplicaTakeover, AMessageThatOnlyTheDeadWriterAndOneHolderHaveIsMail) {
  c.Run(1s);
  c.SetLink(0, 2, false);
  const MessageId id = c.AcceptOne(0);
  ASSERT_FALSE(c.disk(2).Holds(id));
  c.Kill(0);
  c.primary_up = true;
  EXPECT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 30s));
}

TEST(ReplicaAlone, ASingleMachineWithOneCopyAcceptsDeliversAndRestarts) {
  cluster::ReplicaOptions options;
  options.copies = options.write_copies = options.min_regions = 1;
  ReplicaCluster c({"firenze"}, options);
  c.Run(1s);
  auto upload = c.Accept(0);
  c.Run(50ms);
  ASSERT_NE(c.Verdict(upload), nullptr);
  ASSERT_TRUE(c.Verdict(upload)->ok());
  c.Kill(0);
  c.Restart(0);
  c.primary_up = true;
  EXPECT_TRUE(c.RunUntil([&] { return c.Deliveries(c.IdOf(upload)) == 1; }, 15s));
}

}  // namespace
}  // namespace fermo::test
