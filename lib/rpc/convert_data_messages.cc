#include "lib/rpc/convert_replication.h"
#include "lib/rpc/convert_replication_internal.h"

namespace fermo::rpc {
namespace {

namespace pb = ::fermoposta::v1;

void Fill(const cluster::Append& m, pb::DataMessage* out) {
  auto* p = out->mutable_append();
  ToProto(m.segment, p->mutable_segment());
  p->set_seq(m.seq.value());
  p->set_record(*m.record);
  if (m.chunk) p->set_chunk(*m.chunk);
  p->set_copy(m.copy);
}
void Fill(const cluster::Chunk& m, pb::DataMessage* out) {
  auto* p = out->mutable_chunk();
  ToProto(m.segment, p->mutable_segment());
  p->set_body(m.body);
  p->set_index(m.index);
  p->set_bytes(*m.octets);
}
void Fill(const cluster::DropBody& m, pb::DataMessage* out) {
  ToProto(m.segment, out->mutable_drop_body()->mutable_segment());
  out->mutable_drop_body()->set_body(m.body);
}
void Fill(const cluster::Stored& m, pb::DataMessage* out) {
  auto* p = out->mutable_stored();
  ToProto(m.segment, p->mutable_segment());
  detail::SetToProto(m.seqs, p->mutable_seqs());
  p->set_refused(m.refused);
  p->set_promised(m.promised.value());
}
void Fill(const cluster::Abort& m, pb::DataMessage* out) {
  ToProto(m.segment, out->mutable_abort()->mutable_segment());
  detail::SetToProto(m.seqs, out->mutable_abort()->mutable_seqs());
}
void Fill(const cluster::Outcomes& m, pb::DataMessage* out) {
  ToProto(m.segment, out->mutable_outcomes()->mutable_segment());
  for (const auto& outcome : m.outcomes) ToProto(outcome, out->mutable_outcomes()->add_outcomes());
}
void Fill(const cluster::OutcomesStored& m, pb::DataMessage* out) {
  auto* p = out->mutable_outcomes_stored();
  ToProto(m.segment, p->mutable_segment());
  for (const auto& [seq, leg] : m.legs) {
    auto* q = p->add_outcomes();
    q->set_seq(seq.value());
    q->set_leg(leg);
  }
}
void Fill(const cluster::Finish& m, pb::DataMessage* out) {
  ToProto(m.segment, out->mutable_finish()->mutable_segment());
  for (const auto& f : m.messages) detail::ToProto(f, out->mutable_finish()->add_messages());
}
void Fill(const cluster::InventoryRequest& m, pb::DataMessage* out) {
  ToProto(m.segment, out->mutable_inventory_request()->mutable_segment());
  out->mutable_inventory_request()->set_trusted(m.trusted);
}
void Fill(const cluster::Inventory& m, pb::DataMessage* out) {
  detail::ToProto(m, out->mutable_inventory());
}
void Fill(const cluster::Fetch& m, pb::DataMessage* out) {
  ToProto(m.segment, out->mutable_fetch()->mutable_segment());
  detail::SetToProto(m.seqs, out->mutable_fetch()->mutable_seqs());
}
void Fill(const cluster::Close& m, pb::DataMessage* out) {
  auto* p = out->mutable_close();
  ToProto(m.segment, p->mutable_segment());
  detail::SetToProto(m.finished, p->mutable_finished());
  detail::SetToProto(m.aborted, p->mutable_aborted());
}
void Fill(const cluster::CloseAnswer& m, pb::DataMessage* out) {
  ToProto(m.segment, out->mutable_close_answer()->mutable_segment());
  detail::SetToProto(m.missing, out->mutable_close_answer()->mutable_missing());
}
void Fill(const cluster::Forget& m, pb::DataMessage* out) {
  ToProto(m.segment, out->mutable_forget()->mutable_segment());
}
void Fill(const cluster::Forgotten& m, pb::DataMessage* out) {
  ToProto(m.segment, out->mutable_forgotten()->mutable_segment());
}

using Result = absl::StatusOr<cluster::DataMessage>;

Result Take(pb::Append& p) {
  cluster::Append m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  FERMO_TAKE(m.seq, detail::SeqFromProto(p.seq()));
  m.record = MakeBytes(std::move(*p.mutable_record()));
  if (!p.chunk().empty()) m.chunk = MakeBytes(std::move(*p.mutable_chunk()));
  m.copy = p.copy();
  return m;
}
Result Take(pb::Chunk& p) {
  cluster::Chunk m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  m.body = p.body();
  m.index = p.index();
  m.octets = MakeBytes(std::move(*p.mutable_bytes()));
  return m;
}
Result Take(const pb::DropBody& p) {
  cluster::DropBody m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  m.body = p.body();
  return m;
}
Result Take(const pb::Stored& p) {
  cluster::Stored m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  FERMO_TAKE(m.seqs, detail::SetFromProto(p.seqs()));
  m.refused = p.refused();
  m.promised = Epoch(p.promised());
  return m;
}
Result Take(const pb::Abort& p) {
  cluster::Abort m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  FERMO_TAKE(m.seqs, detail::SetFromProto(p.seqs()));
  return m;
}
Result Take(const pb::Outcomes& p) {
  cluster::Outcomes m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  FERMO_TAKE(m.outcomes, detail::OutcomesFromProto(p.outcomes()));
  return m;
}
Result Take(const pb::OutcomesStored& p) {
  cluster::OutcomesStored m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  for (const auto& outcome : p.outcomes()) {
    Seq seq;
    FERMO_TAKE(seq, detail::SeqFromProto(outcome.seq()));
    m.legs.emplace_back(seq, outcome.leg());
  }
  return m;
}
Result Take(const pb::Finish& p) {
  cluster::Finish m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  for (const auto& f : p.messages()) {
    FERMO_TAKE(m.messages.emplace_back(), detail::FinishedFromProto(f));
  }
  return m;
}
Result Take(const pb::InventoryRequest& p) {
  cluster::InventoryRequest m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  m.trusted = p.trusted();
  return m;
}
Result Take(const pb::Inventory& p) {
  cluster::Inventory m;
  FERMO_TAKE(m, detail::InventoryFromProto(p));
  return m;
}
Result Take(const pb::Fetch& p) {
  cluster::Fetch m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  FERMO_TAKE(m.seqs, detail::SetFromProto(p.seqs()));
  return m;
}
Result Take(const pb::Close& p) {
  cluster::Close m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  FERMO_TAKE(m.finished, detail::SetFromProto(p.finished()));
  FERMO_TAKE(m.aborted, detail::SetFromProto(p.aborted()));
  return m;
}
Result Take(const pb::CloseAnswer& p) {
  cluster::CloseAnswer m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  FERMO_TAKE(m.missing, detail::SetFromProto(p.missing()));
  return m;
}
Result Take(const pb::Forget& p) {
  cluster::Forget m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  return m;
}
Result Take(const pb::Forgotten& p) {
  cluster::Forgotten m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  return m;
}

}  // namespace

void ToProto(const cluster::DataMessage& message, pb::DataMessage* out) {
  std::visit([out](const auto& m) { Fill(m, out); }, message);
}

absl::StatusOr<cluster::DataMessage> FromProto(pb::DataMessage&& in) {
  switch (in.kind_case()) {
    case pb::DataMessage::kAppend:
      return Take(*in.mutable_append());
    case pb::DataMessage::kChunk:
      return Take(*in.mutable_chunk());
    case pb::DataMessage::kDropBody:
      return Take(in.drop_body());
    case pb::DataMessage::kStored:
      return Take(in.stored());
    case pb::DataMessage::kAbort:
      return Take(in.abort());
    case pb::DataMessage::kOutcomes:
      return Take(in.outcomes());
    case pb::DataMessage::kOutcomesStored:
      return Take(in.outcomes_stored());
    case pb::DataMessage::kFinish:
      return Take(in.finish());
    case pb::DataMessage::kInventoryRequest:
      return Take(in.inventory_request());
    case pb::DataMessage::kInventory:
      return Take(in.inventory());
    case pb::DataMessage::kFetch:
      return Take(in.fetch());
    case pb::DataMessage::kClose:
      return Take(in.close());
    case pb::DataMessage::kCloseAnswer:
      return Take(in.close_answer());
    case pb::DataMessage::kForget:
      return Take(in.forget());
    case pb::DataMessage::kForgotten:
      return Take(in.forgotten());
    case pb::DataMessage::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("data message of an unknown kind");
}

}  // namespace fermo::rpc
