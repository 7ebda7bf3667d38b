// While a new list of holders is prepared and committed: what may begin, what is
// waited for, and who keeps its copies meanwhile.
#include <utility>

#include "tests/unit/cluster/replica_list.h"

namespace fermo::test {
namespace {

using namespace std::chrono_literals;

class ReplicaCommit : public ReplicaList {
 protected:
  const cluster::Segment& Owned() { return *c.replica(0).Find(segment); }
  bool Committing() {
    const auto& owner = Owned().owner;
    return owner && owner->repair && owner->repair->committing;
  }
  // Nobody's answer to the question comes through, so that the commit stands still.
  void LoseAskAnswers() {
    c.lose_control = [](int, const cluster::ControlMessage& message) {
      return std::holds_alternative<cluster::AskAnswer>(message);
    };
  }
};

// It would end while the list that does not know of it is promised.
TEST_F(ReplicaCommit, NoAttemptBegins) {
  c.Run(1s);
  Accept();
  LoseAskAnswers();
  c.Drain(third);
  ASSERT_TRUE(c.RunUntil([&] { return Committing(); }, 1min));
  ASSERT_LE(Owned().promised, Owned().record.epoch) << "nothing is promised yet";
  c.Feed(0, cluster::BeginAttempt{ids[0], {0}});
  EXPECT_FALSE(Owned().flying.contains(ids[0].seq));
  c.lose_control = nullptr;
  ExpectTheEnd();
}

TEST_F(ReplicaCommit, WhatIsUnderWayMayEndBeforeTheClaim) {
  c.Run(1s);
  Accept();
  c.Run(1s);
  c.Feed(0, cluster::BeginAttempt{ids[0], {0}});
  ASSERT_TRUE(Owned().flying.contains(ids[0].seq));
  c.Drain(third);
  ASSERT_TRUE(c.RunUntil([&] { return Committing(); }, 1min));
  c.Run(1s);
  EXPECT_TRUE(Committing());
  EXPECT_EQ(Owned().claim, nullptr);
  c.Feed(0, cluster::EndAttempt{ids[0], {}});
  EXPECT_TRUE(c.RunUntil([&] { return c.NotesOf("holders_changed") == 1; }, 400ms));
  ExpectTheEnd();
}

// What was under way when its patience was up goes with the claim.
TEST_F(ReplicaCommit, ALongAttemptDoesNotKeepTheListFromStanding) {
  c.Run(1s);
  Accept();
  c.Run(1s);
  c.Feed(0, cluster::BeginAttempt{ids[0], {0}});
  c.Drain(third);
  ASSERT_TRUE(c.RunUntil([&] { return Committing(); }, 1min));
  EXPECT_TRUE(c.RunUntil([&] { return c.NotesOf("holders_changed") == 1; }, 2500ms));
  EXPECT_TRUE(Owned().flying.contains(ids[0].seq));
  c.Feed(0, cluster::EndAttempt{ids[0], {}});
  ExpectTheEnd();
}

// The owner's machine forgot what it had heard: its segment keeps its list for a
// grace, many times as long as a guest's patience.
TEST_F(ReplicaCommit, AGuestIsNamedAgainWhileItsRepairWaits) {
  c.Run(1s);
  Accept();
  c.Kill(0);
  c.RestartMachine(0);
  ASSERT_TRUE(c.RunUntil([&] { return c.OwnerOf(segment) >= 0; }, 1min));
  const Instant restarted = c.now();
  c.Drain(third);
  ASSERT_TRUE(c.RunUntil([&] { return c.disk(spare).Holds(ids[0]); }, 1min));
  c.Run(10min);
  EXPECT_EQ(c.NotesOf("holders_changed"), 0);
  EXPECT_EQ(c.NotesOf("stray_copies_dropped"), 0);
  EXPECT_TRUE(c.disk(spare).Holds(ids[0]));
  EXPECT_TRUE(c.RunUntil([&] { return c.NotesOf("holders_changed") == 1; }, 4min));
  EXPECT_GE(c.now() - restarted, 12min);
  ExpectTheEnd();
}

// With its owner gone, what it has may be needed: no list says that it is not.
TEST_F(ReplicaCommit, AFormerHolderThatIsToRejoinKeepsItsCopies) {
  c.Run(1s);
  Accept();
  c.Kill(third);
  ASSERT_TRUE(c.RunUntil([&] { return c.NotesOf("holders_changed") == 1; }, 3min));
  ASSERT_TRUE(RecordAt(0).HasHolder(c.Id(spare)));
  c.Restart(third);
  ASSERT_TRUE(c.RunUntil([&] { return RecordAt(third).HadHolder(c.Id(third)); }, 1min));
  LoseAskAnswers();
  c.Drain(spare);
  ASSERT_TRUE(c.RunUntil([&] { return RecordAt(third).Proposes(c.Id(third)); }, 2min));
  ASSERT_EQ(RecordAt(third).next_epoch, Epoch());
  for (int node : {0, 1, spare}) c.Kill(node);
  c.Run(3min);
  EXPECT_EQ(c.NotesOf("stray_copies_dropped"), 0);
  EXPECT_TRUE(c.disk(third).Holds(ids[0]));
  c.lose_control = nullptr;
  for (int node : {0, 1, spare}) c.Restart(node);
  ExpectTheEnd();
}

// --- Announcements that a machine forgot when it restarted. A leg was announced
// to one holder only; its owner dies with the dot.
class ReplicaMachine : public ReplicaList {
 protected:
  void Start() {
    c.Run(1s);
    Accept();
    c.Run(2s);
  }
  void DieInTheMiddle(int heard, int claimant) {
    const int other = heard == 1 ? third : 1;
    c.SetLink(0, other, false);
    c.on_dot = [this](int, const MessageId&) {
      c.on_dot = nullptr;
      c.Kill(0);
      return false;
    };
    c.primary_up = true;
    ASSERT_TRUE(c.RunUntil([&] { return !c.IsUp(0); }, 10s));
    ASSERT_EQ(c.Deliveries(ids[0]), 1);
    c.Drain(claimant == other ? heard : other);  // who is to leave claims last
    c.Kill(heard);
    c.RestartMachine(heard);
    ASSERT_TRUE(c.RunUntil([&] { return c.OwnerOf(segment) == claimant; }, 1min));
  }
  void ExpectTheGrace() {
    c.Run(12min);
    EXPECT_EQ(c.Deliveries(ids[0]), 1) << "the old owner may still send its dot";
    EXPECT_TRUE(c.RunUntil([&] { return c.Deliveries(ids[0]) == 2; }, 2min));
  }
};

TEST_F(ReplicaMachine, APromiserSaysThatItForgot) {
  Start();
  DieInTheMiddle(1, third);
  ExpectTheGrace();
}

TEST_F(ReplicaMachine, AClaimantKnowsThatItForgot) {
  Start();
  DieInTheMiddle(1, 1);
  ExpectTheGrace();
}

// It was given copies, is told to leave, and is gone as soon as it says so.
TEST_F(ReplicaCommit, WhoIsToLeaveJoinsNoList) {
  c.Run(1s);
  Accept();
  LoseAskAnswers();
  c.Drain(third);
  ASSERT_TRUE(c.RunUntil([&] { return c.disk(spare).Holds(ids[0]) && Committing(); }, 1min));
  int answers = 0;
  c.lose_control = [&](int from, const cluster::ControlMessage& message) {
    answers += from == spare && std::holds_alternative<cluster::AskAnswer>(message);
    return true;
  };
  cluster::SegmentRecord record = RecordAt(0);
  record.next_holders = {c.Id(0), c.Id(1), c.Id(spare)};
  record.next_epoch = Epoch(50);
  const auto ask = [&] {
    c.Feed(spare, cluster::ControlReceived{c.Id(0), 1, cluster::Ask{record, Epoch(50), true}});
    return std::exchange(answers, 0);
  };
  EXPECT_EQ(ask(), 1);
  c.Drain(spare);
  EXPECT_EQ(c.replica(spare).GetView(c.now()).to_hand_over, 0u);
  EXPECT_EQ(ask(), 0);
}

// It may be a holder already: it has promised, and not heard what came of that.
TEST_F(ReplicaCommit, WhoHasPromisedAListIsNotSafeToRemove) {
  c.Run(1s);
  Accept();
  ASSERT_NO_FATAL_FAILURE(ProposeInPlaceOfADrainingNode());
  c.Isolate(spare, true);
  c.Drain(spare);
  EXPECT_EQ(c.replica(spare).GetView(c.now()).to_hand_over, 1u);
}

}  // namespace
}  // namespace fermo::test
