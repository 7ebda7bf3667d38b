// What messages between nodes are said to take against what they take.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "fermoposta/v1/replication.pb.h"
#include "lib/rpc/convert_replication.h"

namespace fermo::rpc {
namespace {

namespace v1 = ::fermoposta::v1;

const SegmentId kSegment{NodeId(~uint64_t{0}), ~0u, ~0u};

cluster::SeqSet Range(uint32_t begin, uint32_t end) {
  cluster::SeqSet set;
  set.addRange(begin, end);
  return set;
}

spool::LegOutcome Outcome(uint32_t seq, std::string reply) {
  spool::LegOutcome outcome;
  outcome.seq = Seq(seq);
  outcome.leg = 3999;
  outcome.outcome = spool::Outcome::kDelivered;
  outcome.epoch = Epoch(~uint64_t{0});
  outcome.node = NodeId(~uint64_t{0});
  outcome.reply = std::move(reply);
  outcome.at = WallTime(std::chrono::milliseconds(4'000'000'000'000));
  return outcome;
}

size_t Taken(const cluster::DataMessage& message) {
  v1::DataFrame frame;
  ToProto(message, frame.add_messages());
  return frame.ByteSizeLong();
}

size_t Taken(const cluster::ControlMessage& message) {
  v1::ControlFrame frame;
  ToProto(message, frame.add_messages());
  return frame.ByteSizeLong();
}

template <class Message>
void ExpectBound(const Message& message) {
  const size_t said = WireSize(message);
  const size_t taken = Taken(message);
  EXPECT_GE(said, taken);
  EXPECT_LE(said, 3 * taken + 320);
}

TEST(WireSize, ADenseSetIsAFewRanges) {
  cluster::Inventory inventory;
  inventory.segment = kSegment;
  inventory.finished = Range(0, 65536);
  ExpectBound(cluster::DataMessage(inventory));
  inventory.finished.remove(40'000);
  inventory.held = Range(40'000, 40'001);
  ExpectBound(cluster::DataMessage(inventory));
  EXPECT_LT(WireSize(cluster::DataMessage(inventory)), 400u);
}

TEST(WireSize, TwoBlocksWithALargeHoleBetweenThemAreTwoRanges) {
  cluster::Fetch fetch{kSegment, Range(0, 30'000) | Range(50'000, 65536)};
  ExpectBound(cluster::DataMessage(fetch));
  EXPECT_LT(WireSize(cluster::DataMessage(fetch)), 400u);
}

TEST(WireSize, ASparseSetIsBilledInFull) {
  cluster::SeqSet sparse;
  for (uint32_t seq = cluster::kMaxSeqs - 100'000; seq < cluster::kMaxSeqs; seq += 2) {
    sparse.add(seq);
  }
  ExpectBound(cluster::DataMessage(cluster::Abort{kSegment, sparse}));
}

TEST(WireSize, OutcomesAreBilledByTheirReplies) {
  cluster::Outcomes outcomes{kSegment, {}};
  for (uint32_t seq = 0; seq < 1000; ++seq) {
    outcomes.outcomes.push_back(Outcome(cluster::kMaxSeqs - 1, std::string(seq, 'r')));
  }
  ExpectBound(cluster::DataMessage(outcomes));
  cluster::AnnounceAnswer answer;
  answer.segment = kSegment;
  answer.known = outcomes.outcomes;
  ExpectBound(cluster::ControlMessage(answer));
}

TEST(WireSize, RecordsOfSegmentsAreBilledOneByOne) {
  cluster::SegmentRecord record;
  record.id = kSegment;
  for (uint64_t i = 0; i < 7; ++i) record.holders.push_back(NodeId(~uint64_t{0} - i));
  record.list_version = ~0u;
  record.epoch = Epoch(~uint64_t{0});
  record.owner = record.holders[0];
  record.sealed = true;
  cluster::Heartbeat heartbeat;
  heartbeat.sent_at = ~uint64_t{0};
  heartbeat.segments.assign(100, record);
  ExpectBound(cluster::ControlMessage(heartbeat));
  cluster::HeartbeatAnswer answer;
  answer.refused = heartbeat.segments;
  ExpectBound(cluster::ControlMessage(answer));
  cluster::Claim claim{record, record.epoch, true, {}};
  claim.in_flight.assign(100, {Seq(cluster::kMaxSeqs - 1), std::chrono::hours(1), record.owner, ~0u,
                               Epoch(~uint64_t{0})});
  ExpectBound(cluster::ControlMessage(claim));
}

TEST(WireSize, AnInventoryLeavesRepliesOutWhenTheyAreTooMuch) {
  cluster::Promise promise;
  promise.segment = kSegment;
  promise.epoch = Epoch(2);
  promise.granted = true;
  promise.inventory.segment = kSegment;
  for (uint32_t seq = 0; seq < 20'000; ++seq) {
    promise.inventory.outcomes.push_back(Outcome(seq, std::string(20, 'r')));
  }
  ExpectBound(cluster::ControlMessage(promise));
  v1::ControlMessage proto;
  ToProto(cluster::ControlMessage(promise), &proto);
  EXPECT_EQ(proto.promise().inventory().outcomes(19'999).reply(), std::string(20, 'r'));
  for (auto& outcome : promise.inventory.outcomes) outcome.reply.assign(512, 'r');
  ExpectBound(cluster::ControlMessage(promise));
  EXPECT_LT(WireSize(cluster::ControlMessage(promise)), 2u << 20);
  proto.Clear();
  ToProto(cluster::ControlMessage(promise), &proto);
  ASSERT_EQ(proto.promise().inventory().outcomes_size(), 20'000);
  EXPECT_EQ(proto.promise().inventory().outcomes(0).reply(), "");
  EXPECT_EQ(proto.promise().inventory().outcomes(0).outcome(), v1::OUTCOME_DELIVERED);
}

}  // namespace
}  // namespace fermo::rpc
