// The end of a segment: who stands in its way, and what comes too late.
#include <gtest/gtest.h>

#include <optional>
#include <variant>

#include "tests/unit/cluster/replica_list.h"

namespace fermo::test {
namespace {

using namespace std::chrono_literals;

class ReplicaClose : public ReplicaList {
 protected:
  // What the node answers to a close with these finished messages.
  std::optional<cluster::CloseAnswer> Close(int node, const cluster::SeqSet& finished) {
    const cluster::Close close{RecordAt(0), finished, {}};
    std::optional<cluster::CloseAnswer> answer;
    for (cluster::Action& action :
         c.replica(node).Step(cluster::DataReceived{c.Id(0), close}, c.now())) {
      auto* sent = std::get_if<cluster::SendData>(&action);
      if (sent == nullptr) continue;
      auto* told = std::get_if<cluster::CloseAnswer>(&sent->message);
      if (told != nullptr) answer = *told;
    }
    return answer;
  }
};

// The owner never saw that mail: it is live, wherever it is.
TEST_F(ReplicaClose, IsRefusedByWhoHasMailThatItsListsLack) {
  c.Run(1s);
  Accept();
  Accept();
  ASSERT_TRUE(c.RunUntil([&] { return c.disk(1).Holds(ids[1]); }, 1s));
  const auto answer = Close(1, cluster::SetOf(ids[0].seq));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->missing, cluster::SetOf(ids[1].seq));
  EXPECT_FALSE(c.replica(1).Find(segment)->closed);
  c.Run(100ms);
  EXPECT_TRUE(c.disk(1).Holds(ids[1]));
  c.Feed(0, cluster::StopAccepting{});  // the segment is sealed
  ExpectTheEnd();
}

// Who was to join may have the mail, and was away when the segment was closed.
TEST_F(ReplicaClose, AClosedSegmentWaitsForWhoWasProposed) {
  c.Run(1s);
  Accept();
  ProposeInPlaceOfADrainingNode();
  c.Kill(spare);
  ASSERT_TRUE(c.disk(spare).Holds(ids[0]));
  const cluster::Close close{RecordAt(0), cluster::SetOf(ids[0].seq), {}};
  for (int node : {1, third}) {
    ASSERT_TRUE(RecordAt(node).Proposes(c.Id(spare)));
    c.Feed(node, cluster::DataReceived{c.Id(0), close});
  }
  c.Kill(0);
  c.Evict(0);
  c.Run(2min);
  for (int node : {1, third}) EXPECT_NE(c.replica(node).Find(segment), nullptr) << node;
  c.Restart(spare);
  EXPECT_TRUE(c.RunUntil([&] { return c.Forgotten(segment); }, 1min));
  EXPECT_FALSE(c.disk(spare).Holds(ids[0]));
  EXPECT_EQ(c.NotesOf("stray_copies_dropped"), 0) << "it was told the end";
}

// It waited in a stream behind other mail for longer than any other frame may.
TEST_F(ReplicaClose, LateMailDoesNotBringAForgottenSegmentBack) {
  c.Run(1s);
  Accept();
  const cluster::SegmentRecord record = RecordAt(0);
  const Bytes message = *c.disk(0).Record(ids[0]);
  c.Feed(0, cluster::StopAccepting{});  // the segment is sealed
  ExpectTheEnd();
  ASSERT_EQ(c.Deliveries(ids[0]), 1);
  c.Run(2min);
  const cluster::Append late{record, ids[0].seq, message, MakeBytes("content"), false};
  for (int node : {1, third}) c.Feed(node, cluster::DataReceived{c.Id(0), late});
  for (int node : {1, third}) EXPECT_EQ(c.replica(node).Find(segment), nullptr) << node;
  c.Run(1min);
  for (int node : {1, third}) EXPECT_FALSE(c.disk(node).Holds(ids[0])) << node;
  EXPECT_EQ(c.Deliveries(ids[0]), 1);
}

}  // namespace
}  // namespace fermo::test
