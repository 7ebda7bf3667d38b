// Four nodes, one segment with three holders, and a spare node that may come in
// place of one of them.
//
// One thread; nothing here waits but on the virtual clock.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/replica_cluster.h"

namespace fermo::test {

class ReplicaList : public testing::Test {
 protected:
  static cluster::ReplicaOptions Options() {
    cluster::ReplicaOptions options;
    options.repair_after = std::chrono::minutes(1);
    return options;
  }
  // Node 0 takes a message; one of the two in catania has it, one has not.
  void Accept(uint32_t legs = 1, uint32_t chunks = 1) {
    ids.push_back(c.AcceptOne(0, legs, chunks));
    segment = ids[0].segment;
    const bool second = RecordAt(0).HasHolder(c.Id(2));
    third = second ? 2 : 3;
    spare = second ? 3 : 2;
  }
  // As the node knows it; empty when it knows nothing.
  const cluster::SegmentRecord& RecordAt(int node) {
    static const cluster::SegmentRecord none;
    const cluster::Segment* known = c.IsUp(node) ? c.replica(node).Find(segment) : nullptr;
    return known == nullptr ? none : known->record;
  }
  // The third holder stays away until node 0 has proposed the spare node in its
  // place; nobody has told it yet whether that holds.
  bool Propose() {
    c.Kill(third);
    return c.RunUntil([&] { return RecordAt(1).next_epoch != Epoch(); }, std::chrono::minutes(2)) &&
           RecordAt(spare).next_epoch != Epoch() && RecordAt(0).epoch == Epoch(1);
  }
  // The third holder is to leave; the spare node has all, and nobody's promise
  // comes through.
  void ProposeInPlaceOfADrainingNode() {
    c.lose_control = [](int, const cluster::ControlMessage& message) {
      return std::holds_alternative<cluster::Promise>(message);
    };
    c.Drain(third);
    ASSERT_TRUE(
        c.RunUntil([&] { return RecordAt(spare).next_epoch != Epoch(); }, std::chrono::minutes(1)));
    ASSERT_TRUE(c.disk(spare).Holds(ids.back()));
    ASSERT_EQ(RecordAt(0).epoch, Epoch(1));
    c.lose_control = nullptr;
  }
  int Settled() { return c.NotesOf("holders_changed") + c.NotesOf("holders_kept"); }
  // All is delivered once, and forgotten by all.
  void ExpectTheEnd() {
    c.primary_up = true;
    EXPECT_TRUE(c.RunUntil([&] { return c.Lost() == 0; }, std::chrono::minutes(1)));
    for (int node = 0; node < c.size(); ++node) {
      if (!c.IsUp(node)) c.Restart(node);
    }
    EXPECT_TRUE(c.RunUntil([&] { return c.Forgotten(segment); }, std::chrono::minutes(2)));
    EXPECT_EQ(c.Extra(), 0);
  }

  ReplicaCluster c{{"firenze", "roma", "catania", "catania"}, Options()};
  SegmentId segment{NodeId(1), 1, 1};
  std::vector<MessageId> ids;
  int third = -1;
  int spare = -1;
};

}  // namespace fermo::test
