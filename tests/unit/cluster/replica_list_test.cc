// Lists of holders that are prepared or proposed, and whose owner dies before
// they stand: who settles them, and how.
#include "tests/unit/cluster/replica_list.h"

namespace fermo::test {
namespace {

using namespace std::chrono_literals;

TEST_F(ReplicaList, WhoJoinsIsGivenBodiesMarksAndOutcomes) {
  c.Run(1s);
  c.primary_up = true;
  Accept();
  ASSERT_TRUE(c.RunUntil([&] { return c.Drained(); }, 5s));
  // Of this one only the first leg is delivered.
  c.one_leg_at_a_time = true;
  c.on_dot = [&](int, const MessageId&) {
    c.primary_up = false;
    return true;
  };
  Accept(2);
  ASSERT_TRUE(c.RunUntil([&] { return c.LegDeliveries(ids[1], 0) == 1; }, 5s));
  Accept(1, 3);
  c.on_dot = nullptr;
  c.Kill(third);
  ASSERT_TRUE(c.RunUntil([&] { return RecordAt(0).list_version == 2; }, 2min));
  EXPECT_TRUE(c.disk(spare).Finished(ids[0]));
  EXPECT_TRUE(c.disk(spare).Holds(ids[1]));
  EXPECT_TRUE(c.disk(spare).KnowsOutcome(ids[1], 0));
  EXPECT_TRUE(c.disk(spare).Holds(ids[2]));
  c.Run(100ms);
  for (int node : {1, spare}) EXPECT_TRUE(RecordAt(node) == RecordAt(0)) << "node " << node;
  ExpectTheEnd();
}

// It would make two with the one holder that is left.
TEST_F(ReplicaList, WhoWasGivenCopiesInAdvanceMakesNoQuorum) {
  c.Run(1s);
  Accept();
  c.Kill(third);
  ASSERT_TRUE(c.RunUntil([&] { return c.disk(spare).Holds(ids[0]); }, 2min));
  c.Kill(0);
  ASSERT_TRUE(RecordAt(spare).Proposes(c.Id(spare)));
  ASSERT_EQ(RecordAt(spare).next_epoch, Epoch());
  c.Run(30s);
  EXPECT_EQ(c.NotesOf("takeover"), 0);
  EXPECT_EQ(c.OwnerOf(segment), -1);
  EXPECT_TRUE(c.disk(spare).Holds(ids[0]));
  c.Kill(1);
  ASSERT_TRUE(c.RunUntil([&] { return c.NotesOf("stray_copies_dropped") == 1; }, 2min));
  c.Run(10ms);  // the disk follows
  EXPECT_FALSE(c.disk(spare).Holds(ids[0]));
  c.Restart(0);
  c.Restart(1);
  ExpectTheEnd();
}

TEST_F(ReplicaList, AListWhoseOwnerDiedStandsWhenWhoJoinsHasAll) {
  c.Run(1s);
  Accept();
  ASSERT_TRUE(Propose());
  c.Kill(0);
  c.Restart(third);
  ASSERT_TRUE(c.RunUntil([&] { return Settled() > 0; }, 40s));
  ASSERT_TRUE(c.RunUntil([&] { return c.OwnerOf(segment) > 0; }, 20s));
  EXPECT_EQ(c.NotesOf("holders_changed"), 1);
  EXPECT_EQ(c.NotesOf("holders_kept"), 0);
  const cluster::SegmentRecord& record = RecordAt(c.OwnerOf(segment));
  EXPECT_TRUE(record.HasHolder(c.Id(spare)));
  EXPECT_FALSE(record.HasHolder(c.Id(third)));
  EXPECT_TRUE(record.HadHolder(c.Id(third)));
  EXPECT_TRUE(record.next_holders.empty());
  ExpectTheEnd();
}

TEST_F(ReplicaList, AListWhoseOwnerDiedIsGoneWhenWhoJoinsCannotShowThatItHasAll) {
  c.Run(1s);
  Accept();
  ASSERT_TRUE(Propose());
  c.Kill(0);
  c.Kill(spare);
  c.Restart(third);
  c.Restart(0);
  ASSERT_TRUE(c.RunUntil([&] { return Settled() > 0; }, 40s));
  ASSERT_TRUE(c.RunUntil([&] { return c.OwnerOf(segment) >= 0; }, 20s));
  EXPECT_EQ(c.NotesOf("holders_kept"), 1);
  EXPECT_EQ(c.NotesOf("holders_changed"), 0);
  const cluster::SegmentRecord& record = RecordAt(c.OwnerOf(segment));
  EXPECT_TRUE(record.HasHolder(c.Id(third)));
  EXPECT_FALSE(record.HasHolder(c.Id(spare)));
  EXPECT_TRUE(record.HadHolder(c.Id(spare))) << "it has copies, and is to be asked at the end";
  EXPECT_TRUE(record.next_holders.empty());
  ExpectTheEnd();
}

// The old list alone has a quorum, the new one has none: it may be committed.
TEST_F(ReplicaList, WhileAListIsProposedAQuorumOfTheOldOneIsNotEnough) {
  c.Run(1s);
  Accept();
  ASSERT_TRUE(Propose());
  c.Kill(0);
  c.Kill(spare);
  c.Restart(third);
  c.Run(40s);
  EXPECT_EQ(c.NotesOf("takeover"), 0);
  c.Restart(spare);
  ExpectTheEnd();
}

// The list may never have been committed; with all its members evicted it
// makes no quorum, and must not stop the last holder for ever.
TEST_F(ReplicaList, AProposedListOfWhichAllAreEvictedStopsNobody) {
  c.Run(1s);
  Accept();
  c.Drain(0);
  const auto proposal_is_on_disk = [&] {
    return c.disk(0).segments().at(segment).stored.record.next_epoch != Epoch();
  };
  ASSERT_TRUE(c.RunUntil(proposal_is_on_disk, 10s));
  ASSERT_FALSE(RecordAt(0).Proposes(c.Id(0)));
  for (int node = 0; node < c.size(); ++node) c.Kill(node);
  for (int node = 1; node < c.size(); ++node) c.EvictUntold(node);
  c.Restart(0);  // who owns the segment makes its own proposal void
  ASSERT_NE(RecordAt(0).next_epoch, Epoch());
  c.primary_up = true;
  EXPECT_TRUE(c.RunUntil([&] { return c.Deliveries(ids[0]) == 1; }, 2min));
}

// Node 0 proposes a list and is cut off; node 1 settles and commits it. Whoever
// promised that to node 1 does not believe node 0 that it never stood.
TEST_F(ReplicaList, AnOwnersWordEndsWhereAnotherWasPromisedMore) {
  c.Run(1s);
  Accept();
  ProposeInPlaceOfADrainingNode();
  c.Isolate(0, true);
  bool promised = false;
  c.lose_control = [&](int from, const cluster::ControlMessage& message) {
    const auto* promise = std::get_if<cluster::Promise>(&message);
    promised = promised || (from == third && promise != nullptr && promise->epoch > Epoch(2));
    return false;
  };
  ASSERT_TRUE(c.RunUntil([&] { return promised; }, 40s));
  c.Run(ReplicaCluster::kHop);
  ASSERT_EQ(c.NotesOf("holders_changed"), 1);
  ASSERT_EQ(RecordAt(third).epoch, Epoch(1)) << "it has not heard who won";
  c.SetLink(1, third, false);
  c.Isolate(0, false);
  c.SetLink(0, 1, false);
  c.SetLink(0, spare, false);
  c.Run(30s);
  c.primary_up = true;
  c.Run(10s);
  EXPECT_EQ(c.Deliveries(ids[0]), 1) << "two owners";
}

// What W of the old list know of its delivery, who joins lacks.
TEST_F(ReplicaList, AListWhoseOwnerDiedIsGoneWhenWhoJoinsLacksAnOutcome) {
  c.Run(1s);
  Accept(2);
  ProposeInPlaceOfADrainingNode();
  spool::LegOutcome outcome;
  outcome.seq = ids[0].seq;
  outcome.outcome = spool::Outcome::kDelivered;
  outcome.epoch = Epoch(1);
  outcome.node = c.Id(0);
  for (int node : {1, third}) {
    c.Feed(node, cluster::DataReceived{c.Id(0), cluster::Outcomes{segment, {outcome}}});
  }
  c.Kill(0);
  ASSERT_TRUE(c.RunUntil([&] { return Settled() > 0; }, 40s));
  EXPECT_EQ(c.NotesOf("holders_kept"), 1);
  EXPECT_EQ(c.NotesOf("holders_changed"), 0);
}

// Of two owners whose attempts are told of, the earlier one's was over when the
// later one began.
TEST_F(ReplicaList, AnEarlierOwnersMarkDoesNotReplaceALaterOnes) {
  c.Run(1s);
  Accept();
  const Seq seq = ids[0].seq;
  c.Feed(1, cluster::ControlReceived{c.Id(0), 1, cluster::Announce{segment, Epoch(1), seq, {0}}});
  cluster::Claim claim{RecordAt(0), Epoch(2), true, {}};
  claim.in_flight.push_back({seq, 20min, c.Id(third), 1, Epoch(0)});
  c.Feed(1, cluster::ControlReceived{c.Id(0), 1, claim});
  ASSERT_TRUE(c.replica(1).Find(segment)->heard.contains(seq));
  EXPECT_EQ(c.replica(1).Find(segment)->heard.at(seq).owner, c.Id(0));
}

// Node 0, the owner, dies before it hears the reply to a dot of which only it and
// node 1 know. The list that node 1 makes then has nobody else who heard of it.
TEST_F(ReplicaList, WhoJoinsIsToldWhatIsUnderWay) {
  c.Run(1s);
  Accept();
  c.SetLink(0, third, false);
  c.primary_up = true;
  c.on_dot = [&](int node, const MessageId&) {
    c.primary_up = false;
    return node != 0;
  };
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(ids[0]) == 1; }, 5s));
  c.Kill(0);
  ASSERT_TRUE(c.RunUntil([&] { return RecordAt(spare).HasHolder(c.Id(spare)); }, 3min))
      << "a list changes without waiting for the grace";
  ASSERT_TRUE(c.RunUntil([&] { return c.OwnerOf(segment) == 1; }, 5s));
  c.Kill(1);
  c.primary_up = true;
  c.Run(8min);
  ASSERT_GE(c.OwnerOf(segment), third);
  EXPECT_EQ(c.Deliveries(ids[0]), 1) << "node 0 may have been waiting for the reply";
  EXPECT_TRUE(c.RunUntil([&] { return c.Deliveries(ids[0]) == 2; }, 5min)) << "after the grace";
}

// Only node 0 and the one who is to leave have heard of the attempt; the claim
// that would tell it to who joins is lost, and with it the list.
TEST_F(ReplicaList, AListWhoseOwnerDiedIsGoneWhenWhoJoinsWasNotToldWhatIsUnderWay) {
  c.Run(1s);
  Accept();
  c.SetLink(0, 1, false);
  c.primary_up = true;
  c.on_dot = [&](int node, const MessageId&) {
    c.primary_up = false;
    return node != 0;
  };
  ASSERT_TRUE(c.RunUntil([&] { return c.Deliveries(ids[0]) == 1; }, 5s));
  c.SetLink(0, 1, true);
  int claims = 0;
  c.lose_control = [&](int from, const cluster::ControlMessage& message) {
    const bool claim = from == 0 && std::holds_alternative<cluster::Claim>(message);
    return (claim && ++claims % 2 == 0) || std::holds_alternative<cluster::Promise>(message);
  };
  c.Kill(third);
  ASSERT_TRUE(c.RunUntil([&] { return RecordAt(1).next_epoch != Epoch(); }, 2min));
  c.Kill(0);
  ASSERT_EQ(RecordAt(spare).next_epoch, Epoch());
  ASSERT_TRUE(c.disk(spare).Holds(ids[0]));
  c.lose_control = nullptr;
  c.Restart(third);
  ASSERT_TRUE(c.RunUntil([&] { return Settled() > 0; }, 40s));
  EXPECT_EQ(c.NotesOf("holders_kept"), 1);
  EXPECT_EQ(c.NotesOf("holders_changed"), 0);
}

// Node 1 lacks what was accepted while it was away, and who joins alone is not W.
TEST_F(ReplicaList, AListWhoseOwnerDiedIsGoneWhenFewerThanWHaveAll) {
  c.Run(1s);
  Accept();
  c.SetLink(0, 1, false);
  ids.push_back(c.AcceptOne(0));
  ASSERT_EQ(ids[1].segment, segment);
  ASSERT_FALSE(c.disk(1).Holds(ids[1]));
  ProposeInPlaceOfADrainingNode();
  c.Kill(0);
  ASSERT_TRUE(c.RunUntil([&] { return Settled() > 0; }, 40s));
  EXPECT_EQ(c.NotesOf("holders_kept"), 1);
  EXPECT_EQ(c.NotesOf("holders_changed"), 0);
  c.SetLink(0, 1, true);
  ExpectTheEnd();
}

// Node 1 has all that is known, but may have forgotten what only they know who leave.
TEST_F(ReplicaList, AListWhoseOwnerDiedIsGoneWhenAPromiserMayHaveForgotten) {
  c.Run(1s);
  Accept();
  ProposeInPlaceOfADrainingNode();
  c.Kill(0);
  const VirtualDisk disk = c.disk(1);
  c.Kill(1);
  c.RestartSuspect(1, disk);
  ASSERT_TRUE(c.RunUntil([&] { return Settled() > 0; }, 40s));
  EXPECT_EQ(c.NotesOf("holders_kept"), 1);
  EXPECT_EQ(c.NotesOf("holders_changed"), 0);
  ExpectTheEnd();
}

// What only it and one that is away have would come back with that one.
TEST_F(ReplicaList, WhoAloneKnowsThatASegmentIsOverIsNotSafeToRemove) {
  c.Run(1s);
  Accept();
  c.Feed(0, cluster::StopAccepting{});  // the segment is sealed
  c.BlockWrites(third, true);
  c.primary_up = true;
  const auto closed = [&] { return c.disk(1).segments().at(segment).stored.closed; };
  ASSERT_TRUE(c.RunUntil(closed, 5s));
  c.Kill(third);  // what it was told is lost with it
  c.BlockWrites(third, false);
  c.Kill(0);
  c.Evict(0);
  c.Drain(1);
  c.Run(1min);
  EXPECT_GT(c.replica(1).GetView(c.now()).to_hand_over, 0u);
  c.Restart(third);
  EXPECT_TRUE(c.RunUntil([&] { return c.replica(1).GetView(c.now()).to_hand_over == 0; }, 1min));
  EXPECT_EQ(c.Extra(), 0);
}

// Node 1 was away when a message came and ended, and is to be of the W that have all.
TEST_F(ReplicaList, WhoStaysIsGivenTheMarksOfWhatItMissed) {
  c.Run(1s);
  Accept();
  c.SetLink(0, 1, false);
  ids.push_back(c.AcceptOne(0));
  c.primary_up = true;
  ASSERT_TRUE(c.RunUntil([&] { return c.disk(0).Finished(ids[1]); }, 1s));
  c.primary_up = false;
  c.SetLink(0, 1, true);
  const MessageId later = c.AcceptOne(0);
  ASSERT_EQ(later.segment, segment);
  for (int node : {third, spare}) {
    c.Kill(node);
    c.Evict(node);
  }
  EXPECT_TRUE(c.RunUntil([&] { return RecordAt(0).holders.size() == 2; }, 1min));
}

TEST_F(ReplicaList, AListOfWhichOneIsEvictedIsGivenUp) {
  c.Run(1s);
  Accept();
  c.BlockWrites(1, true);  // it acknowledges no copy
  ids.push_back(c.AcceptOne(0));
  ASSERT_EQ(ids[1].segment, segment);
  c.Drain(third);
  ASSERT_TRUE(c.RunUntil([&] { return c.NotesOf("repair_started") > 0; }, 20s));
  c.Kill(1);
  c.Evict(1);
  EXPECT_TRUE(c.RunUntil([&] { return c.NotesOf("repair_lost_a_node") > 0; }, 1s));
}

TEST_F(ReplicaList, AnEmptySegmentIsClosedWhileItsRepairWaits) {
  c.Run(1s);
  Accept();
  c.BlockWrites(spare, true);  // it never has all
  c.Drain(third);
  ASSERT_TRUE(c.RunUntil([&] { return c.NotesOf("repair_started") > 0; }, 20s));
  c.primary_up = true;
  EXPECT_TRUE(c.RunUntil([&] { return c.replica(0).Find(segment)->closed; }, 20s));
  EXPECT_EQ(c.NotesOf("repair_not_needed"), 1);
  c.BlockWrites(spare, false);
  ExpectTheEnd();
}

}  // namespace
}  // namespace fermo::test
