#include "lib/rpc/convert_replication_internal.h"
#include "lib/spool/limits.h"

namespace fermo::rpc::detail {
namespace {

constexpr size_t kMaxInventoryReplies = 1 << 20;

}  // namespace

void SetToProto(const cluster::SeqSet& set, pb::SeqRanges* out) {
  rpc::ToProto(cluster::ToRanges(set), out);
}

absl::StatusOr<cluster::SeqSet> SetFromProto(const pb::SeqRanges& in) {
  std::vector<uint32_t> bounds;
  FERMO_TAKE(bounds, rpc::FromProto(in));
  return cluster::FromRanges(bounds);
}

absl::StatusOr<Seq> SeqFromProto(uint32_t seq) {
  if (seq >= cluster::kMaxSeqs) return absl::InvalidArgumentError("seq: out of range");
  return Seq(seq);
}

absl::StatusOr<std::vector<spool::LegOutcome>> OutcomesFromProto(
    const google::protobuf::RepeatedPtrField<pb::LegOutcome>& in) {
  std::vector<spool::LegOutcome> outcomes;
  outcomes.reserve(in.size());
  for (const pb::LegOutcome& outcome : in) {
    FERMO_TAKE(outcomes.emplace_back(), rpc::FromProto(outcome));
  }
  return outcomes;
}

void ToProto(const cluster::FinishedMessage& finished, pb::FinishedMessage* out) {
  out->set_seq(finished.seq.value());
  for (spool::Outcome outcome : finished.outcomes) {
    out->mutable_outcomes()->push_back(static_cast<char>(outcome));
  }
}

absl::StatusOr<cluster::FinishedMessage> FinishedFromProto(const pb::FinishedMessage& in) {
  cluster::FinishedMessage finished;
  FERMO_TAKE(finished.seq, SeqFromProto(in.seq()));
  for (char octet : in.outcomes()) {
    if (octet < 0 || octet > static_cast<char>(spool::Outcome::kDelivered)) {
      return absl::InvalidArgumentError("finished outcomes: unknown outcome");
    }
    finished.outcomes.push_back(static_cast<spool::Outcome>(octet));
  }
  return finished;
}

size_t ReplySize(const spool::LegOutcome& outcome) {
  return std::min(outcome.reply.size(), spool::kMaxReplyOctets);
}

// An inventory is one message, and must fit into a frame. Replies are evidence
// for people; that a leg has its outcome is what must not be left out.
bool TellsReplies(const cluster::Inventory& inventory) {
  size_t size = 0;
  for (const auto& outcome : inventory.outcomes) size += ReplySize(outcome);
  return size <= kMaxInventoryReplies;
}

void ToProto(const cluster::Inventory& inventory, pb::Inventory* out) {
  rpc::ToProto(inventory.segment, out->mutable_segment());
  SetToProto(inventory.held, out->mutable_held());
  SetToProto(inventory.aborted, out->mutable_aborted());
  SetToProto(inventory.finished, out->mutable_finished());
  const bool with_replies = TellsReplies(inventory);
  for (const auto& outcome : inventory.outcomes) {
    pb::LegOutcome* told = out->add_outcomes();
    rpc::ToProto(outcome, told);
    if (!with_replies) told->clear_reply();
  }
  for (const auto& finished : inventory.odd) ToProto(finished, out->add_odd());
  out->set_closed(inventory.closed);
  out->set_suspect(inventory.suspect);
}

absl::StatusOr<cluster::Inventory> InventoryFromProto(const pb::Inventory& in) {
  cluster::Inventory inventory;
  FERMO_TAKE(inventory.segment, rpc::FromProto(in.segment()));
  FERMO_TAKE(inventory.held, SetFromProto(in.held()));
  FERMO_TAKE(inventory.aborted, SetFromProto(in.aborted()));
  FERMO_TAKE(inventory.finished, SetFromProto(in.finished()));
  FERMO_TAKE(inventory.outcomes, OutcomesFromProto(in.outcomes()));
  for (const pb::FinishedMessage& finished : in.odd()) {
    FERMO_TAKE(inventory.odd.emplace_back(), FinishedFromProto(finished));
  }
  inventory.closed = in.closed();
  inventory.suspect = in.suspect();
  return inventory;
}

}  // namespace fermo::rpc::detail
