#include "lib/rpc/convert_replication.h"
#include "lib/rpc/convert_replication_internal.h"

namespace fermo::rpc {
namespace {

namespace pb = ::fermoposta::v1;
using detail::FromMillis;
using detail::ToMillis;

void Fill(const cluster::Heartbeat& m, pb::ControlMessage* out) {
  auto* p = out->mutable_heartbeat();
  p->set_sent_at(m.sent_at);
  p->set_lease_wanted(m.lease_wanted);
  for (const auto& record : m.segments) ToProto(record, p->add_segments());
}
void Fill(const cluster::HeartbeatAnswer& m, pb::ControlMessage* out) {
  auto* p = out->mutable_heartbeat_answer();
  p->set_echo(m.echo);
  p->set_granted(m.granted);
  for (const auto& record : m.refused) ToProto(record, p->add_refused());
}
void Fill(const cluster::Announce& m, pb::ControlMessage* out) {
  auto* p = out->mutable_announce();
  ToProto(m.segment, p->mutable_segment());
  p->set_epoch(m.epoch.value());
  p->set_seq(m.seq.value());
  p->mutable_legs()->Assign(m.legs.begin(), m.legs.end());
}
void Fill(const cluster::AnnounceAnswer& m, pb::ControlMessage* out) {
  auto* p = out->mutable_announce_answer();
  ToProto(m.segment, p->mutable_segment());
  p->set_epoch(m.epoch.value());
  p->set_seq(m.seq.value());
  p->set_refused(m.refused);
  for (const auto& outcome : m.known) ToProto(outcome, p->add_known());
}
void Fill(const cluster::Withdraw& m, pb::ControlMessage* out) {
  auto* p = out->mutable_withdraw();
  ToProto(m.segment, p->mutable_segment());
  p->set_epoch(m.epoch.value());
  p->set_seq(m.seq.value());
  for (const auto& outcome : m.outcomes) ToProto(outcome, p->add_outcomes());
}
void Fill(const cluster::Ask& m, pb::ControlMessage* out) {
  ToProto(m.record, out->mutable_ask()->mutable_record());
  out->mutable_ask()->set_epoch(m.epoch.value());
  out->mutable_ask()->set_owner(m.owner);
}
void Fill(const cluster::AskAnswer& m, pb::ControlMessage* out) {
  auto* p = out->mutable_ask_answer();
  ToProto(m.segment, p->mutable_segment());
  p->set_epoch(m.epoch.value());
  p->set_yes(m.yes);
  p->set_promised(m.promised.value());
  p->set_wait_millis(ToMillis(m.wait));
  if (m.newer.owner != NodeId()) ToProto(m.newer, p->mutable_newer());
}
void Fill(const std::vector<cluster::InFlight>& in_flight,
          google::protobuf::RepeatedPtrField<pb::InFlight>* out) {
  for (const cluster::InFlight& message : in_flight) {
    pb::InFlight* p = out->Add();
    p->set_seq(message.seq.value());
    p->set_wait_millis(ToMillis(message.wait));
    p->set_owner(message.owner.value());
    p->set_owner_boot(message.owner_boot);
    p->set_epoch(message.epoch.value());
  }
}
void Fill(const cluster::Claim& m, pb::ControlMessage* out) {
  auto* p = out->mutable_claim();
  ToProto(m.record, p->mutable_record());
  p->set_epoch(m.epoch.value());
  p->set_owner(m.owner);
  Fill(m.in_flight, p->mutable_in_flight());
}
void Fill(const cluster::Inquire& m, pb::ControlMessage* out) {
  ToProto(m.segment, out->mutable_inquire()->mutable_segment());
}
void Fill(const cluster::InquireAnswer& m, pb::ControlMessage* out) {
  auto* p = out->mutable_inquire_answer();
  ToProto(m.segment, p->mutable_segment());
  p->set_fate(static_cast<pb::Fate>(m.fate));
  const bool known = m.fate == cluster::Fate::kKnown || m.fate == cluster::Fate::kClosed;
  if (known) ToProto(m.record, p->mutable_record());
}
void Fill(const cluster::Promise& m, pb::ControlMessage* out) {
  auto* p = out->mutable_promise();
  ToProto(m.segment, p->mutable_segment());
  p->set_epoch(m.epoch.value());
  p->set_granted(m.granted);
  p->set_promised(m.promised.value());
  if (m.granted) detail::ToProto(m.inventory, p->mutable_inventory());
  Fill(m.in_flight, p->mutable_in_flight());
  p->set_all_wait_millis(ToMillis(m.all_wait));
}

using Result = absl::StatusOr<cluster::ControlMessage>;

absl::StatusOr<std::vector<cluster::SegmentRecord>> Records(
    const google::protobuf::RepeatedPtrField<pb::SegmentRecord>& in) {
  std::vector<cluster::SegmentRecord> records;
  for (const auto& record : in) FERMO_TAKE(records.emplace_back(), FromProto(record));
  return records;
}

Result Take(const pb::Heartbeat& p) {
  cluster::Heartbeat m;
  m.sent_at = p.sent_at();
  m.lease_wanted = p.lease_wanted();
  FERMO_TAKE(m.segments, Records(p.segments()));
  return m;
}
Result Take(const pb::HeartbeatAnswer& p) {
  cluster::HeartbeatAnswer m;
  m.echo = p.echo();
  m.granted = p.granted();
  FERMO_TAKE(m.refused, Records(p.refused()));
  return m;
}
Result Take(const pb::Announce& p) {
  cluster::Announce m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  m.epoch = Epoch(p.epoch());
  FERMO_TAKE(m.seq, detail::SeqFromProto(p.seq()));
  m.legs.assign(p.legs().begin(), p.legs().end());
  return m;
}
Result Take(const pb::AnnounceAnswer& p) {
  cluster::AnnounceAnswer m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  m.epoch = Epoch(p.epoch());
  FERMO_TAKE(m.seq, detail::SeqFromProto(p.seq()));
  m.refused = p.refused();
  FERMO_TAKE(m.known, detail::OutcomesFromProto(p.known()));
  return m;
}
Result Take(const pb::Withdraw& p) {
  cluster::Withdraw m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  m.epoch = Epoch(p.epoch());
  FERMO_TAKE(m.seq, detail::SeqFromProto(p.seq()));
  FERMO_TAKE(m.outcomes, detail::OutcomesFromProto(p.outcomes()));
  return m;
}
Result Take(const pb::Ask& p) {
  cluster::Ask m;
  FERMO_TAKE(m.record, FromProto(p.record()));
  m.epoch = Epoch(p.epoch());
  m.owner = p.owner();
  return m;
}
Result Take(const pb::AskAnswer& p) {
  cluster::AskAnswer m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  m.epoch = Epoch(p.epoch());
  m.yes = p.yes();
  m.promised = Epoch(p.promised());
  m.wait = FromMillis(p.wait_millis());
  if (p.has_newer()) FERMO_TAKE(m.newer, FromProto(p.newer()));
  return m;
}
absl::StatusOr<std::vector<cluster::InFlight>> TakeInFlight(
    const google::protobuf::RepeatedPtrField<pb::InFlight>& in) {
  std::vector<cluster::InFlight> in_flight;
  for (const pb::InFlight& p : in) {
    cluster::InFlight& message = in_flight.emplace_back();
    FERMO_TAKE(message.seq, detail::SeqFromProto(p.seq()));
    message.wait = FromMillis(p.wait_millis());
    message.owner = NodeId(p.owner());
    message.owner_boot = p.owner_boot();
    message.epoch = Epoch(p.epoch());
  }
  return in_flight;
}
Result Take(const pb::Claim& p) {
  cluster::Claim m;
  FERMO_TAKE(m.record, FromProto(p.record()));
  m.epoch = Epoch(p.epoch());
  m.owner = p.owner();
  FERMO_TAKE(m.in_flight, TakeInFlight(p.in_flight()));
  return m;
}
Result Take(const pb::Inquire& p) {
  cluster::Inquire m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  return m;
}
Result Take(const pb::InquireAnswer& p) {
  cluster::InquireAnswer m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  m.fate = cluster::Fate::kCannotTell;  // also for what a later version may say
  if (p.fate() >= pb::FATE_UNKNOWN && p.fate() <= pb::FATE_CANNOT_TELL) {
    m.fate = static_cast<cluster::Fate>(p.fate());
  }
  const bool known = m.fate == cluster::Fate::kKnown || m.fate == cluster::Fate::kClosed;
  if (known) FERMO_TAKE(m.record, FromProto(p.record()));
  return m;
}
Result Take(const pb::Promise& p) {
  cluster::Promise m;
  FERMO_TAKE(m.segment, FromProto(p.segment()));
  m.epoch = Epoch(p.epoch());
  m.granted = p.granted();
  m.promised = Epoch(p.promised());
  if (m.granted) FERMO_TAKE(m.inventory, detail::InventoryFromProto(p.inventory()));
  FERMO_TAKE(m.in_flight, TakeInFlight(p.in_flight()));
  m.all_wait = FromMillis(p.all_wait_millis());
  return m;
}

}  // namespace

void ToProto(const cluster::ControlMessage& message, pb::ControlMessage* out) {
  std::visit([out](const auto& m) { Fill(m, out); }, message);
}

absl::StatusOr<cluster::ControlMessage> FromProto(pb::ControlMessage&& in) {
  switch (in.kind_case()) {
    case pb::ControlMessage::kHeartbeat:
      return Take(in.heartbeat());
    case pb::ControlMessage::kHeartbeatAnswer:
      return Take(in.heartbeat_answer());
    case pb::ControlMessage::kAnnounce:
      return Take(in.announce());
    case pb::ControlMessage::kAnnounceAnswer:
      return Take(in.announce_answer());
    case pb::ControlMessage::kWithdraw:
      return Take(in.withdraw());
    case pb::ControlMessage::kAsk:
      return Take(in.ask());
    case pb::ControlMessage::kAskAnswer:
      return Take(in.ask_answer());
    case pb::ControlMessage::kClaim:
      return Take(in.claim());
    case pb::ControlMessage::kPromise:
      return Take(in.promise());
    case pb::ControlMessage::kInquire:
      return Take(in.inquire());
    case pb::ControlMessage::kInquireAnswer:
      return Take(in.inquire_answer());
    case pb::ControlMessage::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("control message of an unknown kind");
}

}  // namespace fermo::rpc
