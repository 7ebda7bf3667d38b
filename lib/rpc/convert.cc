#include "lib/rpc/convert.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fermoposta/v1/common.pb.h"
#include "fermoposta/v1/spool.pb.h"
#include "lib/base/host_port.h"
#include "lib/rpc/convert_checks.h"
#include "lib/spool/limits.h"

namespace fermo::rpc {
namespace {

// More holders than this no placement ever makes.
constexpr int kMaxHolders = 64;
constexpr size_t kMaxUuidOctets = 64;
constexpr size_t kMaxSessionIdOctets = 128;
constexpr size_t kMaxRegionOctets = 63;

absl::Status ReadNodes(const google::protobuf::RepeatedField<uint64_t>& in, const char* field,
                       std::vector<NodeId>* out) {
  if (in.size() > kMaxHolders) return Bad(field, "too many nodes");
  for (const uint64_t value : in) {
    const NodeId node(value);
    if (node == NodeId()) return Bad(field, "node 0 is nobody");
    if (std::find(out->begin(), out->end(), node) != out->end()) return Bad(field, "a node twice");
    out->push_back(node);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Bad(std::string_view field, std::string_view problem) {
  return absl::InvalidArgumentError(
      absl::StrCat(absl::string_view(field.data(), field.size()), ": ",
                   absl::string_view(problem.data(), problem.size())));
}

bool HasControls(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

absl::Status CheckText(std::string_view field, std::string_view text, size_t max_octets) {
  if (text.size() > max_octets) return Bad(field, "too long");
  if (HasControls(text)) return Bad(field, "holds control characters");
  return absl::OkStatus();
}

void ToProto(const SegmentId& id, v1::SegmentRef* out) {
  out->set_writer(id.writer.value());
  out->set_boot(id.boot);
  out->set_number(id.number);
}

absl::StatusOr<SegmentId> FromProto(const v1::SegmentRef& in) {
  if (in.writer() == 0) return Bad("segment.writer", "node 0 is nobody");
  if (in.boot() == 0) return Bad("segment.boot", "boots count from 1");
  if (in.number() == 0) return Bad("segment.number", "segments count from 1");
  SegmentId id;
  id.writer = NodeId(in.writer());
  id.boot = in.boot();
  id.number = in.number();
  return id;
}

void ToProto(const cluster::SegmentRecord& record, v1::SegmentRecord* out) {
  out->Clear();
  ToProto(record.id, out->mutable_id());
  for (const NodeId node : record.holders) out->add_holders(node.value());
  out->set_list_version(record.list_version);
  for (const NodeId node : record.former_holders) out->add_former_holders(node.value());
  out->set_write_copies(record.write_copies);
  out->set_min_regions(record.min_regions);
  out->set_epoch(record.epoch.value());
  out->set_owner(record.owner.value());
  out->set_sealed(record.sealed);
  for (const NodeId node : record.next_holders) out->add_next_holders(node.value());
  out->set_next_epoch(record.next_epoch.value());
  for (const std::string& region : record.regions) out->add_regions(region);
}

absl::StatusOr<cluster::SegmentRecord> FromProto(const v1::SegmentRecord& in) {
  absl::StatusOr<SegmentId> id = FromProto(in.id());
  if (!id.ok()) return id.status();
  cluster::SegmentRecord record;
  record.id = *id;
  if (auto s = ReadNodes(in.holders(), "holders", &record.holders); !s.ok()) return s;
  if (auto s = ReadNodes(in.former_holders(), "former_holders", &record.former_holders); !s.ok()) {
    return s;
  }
  if (record.holders.empty()) return Bad("holders", "none");
  if (in.list_version() == 0) return Bad("list_version", "versions count from 1");
  if (in.write_copies() == 0 || in.write_copies() > kMaxHolders) {
    return Bad("write_copies", "out of range");
  }
  if (in.min_regions() > in.write_copies()) return Bad("min_regions", "more than write_copies");
  if (in.epoch() == 0) return Bad("epoch", "epochs count from 1");
  if (in.owner() == 0) return Bad("owner", "node 0 is nobody");
  record.list_version = in.list_version();
  record.write_copies = in.write_copies();
  record.min_regions = in.min_regions();
  record.epoch = Epoch(in.epoch());
  record.owner = NodeId(in.owner());
  record.sealed = in.sealed();
  if (auto s = ReadNodes(in.next_holders(), "next_holders", &record.next_holders); !s.ok()) {
    return s;
  }
  if (record.next_holders.empty() && in.next_epoch() != 0) return Bad("next_epoch", "no list");
  record.next_epoch = Epoch(in.next_epoch());
  for (const std::string& region : in.regions()) {
    if (auto s = CheckText("regions", region, kMaxRegionOctets); !s.ok()) return s;
    record.regions.push_back(region);
  }
  return record;
}

void ToProto(const std::vector<uint32_t>& bounds, v1::SeqRanges* out) {
  out->mutable_bounds()->Assign(bounds.begin(), bounds.end());
}

absl::StatusOr<std::vector<uint32_t>> FromProto(const v1::SeqRanges& in) {
  if (in.bounds_size() % 2 != 0) return Bad("seqs", "a range without an end");
  std::vector<uint32_t> bounds(in.bounds().begin(), in.bounds().end());
  const auto not_ascending =
      std::adjacent_find(bounds.begin(), bounds.end(), std::greater_equal<>());
  if (not_ascending != bounds.end()) return Bad("seqs", "ranges are not ascending");
  return bounds;
}

void ToProto(const spool::LegOutcome& outcome, v1::LegOutcome* out) {
  out->set_seq(outcome.seq.value());
  out->set_leg(outcome.leg);
  out->set_outcome(static_cast<v1::Outcome>(outcome.outcome));
  out->set_epoch(outcome.epoch.value());
  out->set_node(outcome.node.value());
  out->set_reply(CleanReply(outcome.reply));
  out->set_wall_millis(outcome.at.time_since_epoch().count());
}

absl::StatusOr<spool::LegOutcome> FromProto(const v1::LegOutcome& in) {
  if (in.outcome() < v1::OUTCOME_CANCELLED || in.outcome() > v1::OUTCOME_DELIVERED) {
    return Bad("outcome", "unknown");
  }
  if (in.leg() >= spool::kMaxLegs) return Bad("leg", "out of range");
  if (in.node() == 0) return Bad("node", "node 0 is nobody");
  if (in.epoch() == 0) return Bad("epoch", "epochs count from 1");
  spool::LegOutcome outcome;
  outcome.seq = Seq(in.seq());
  outcome.leg = in.leg();
  outcome.outcome = static_cast<spool::Outcome>(in.outcome());
  outcome.epoch = Epoch(in.epoch());
  outcome.node = NodeId(in.node());
  outcome.reply = CleanReply(in.reply());
  outcome.at = WallTime(std::chrono::milliseconds(in.wall_millis()));
  return outcome;
}

// Evidence for people: an outcome is never refused over it. Only ASCII, since
// protobuf strings have to be UTF-8.
std::string CleanReply(std::string_view reply) {
  std::string clean(reply.substr(0, spool::kMaxReplyOctets));
  for (char& c : clean) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return clean;
}

void ToProto(EnqueueStart start, v1::EnqueueOpen* out) {
  out->Clear();
  out->set_cluster_uuid(std::move(start.cluster_uuid));
  out->set_token(start.token);
  out->set_reverse_path(std::move(start.envelope.reverse_path));
  for (std::string& path : start.envelope.forward_paths) out->add_forward_paths(std::move(path));
  out->set_body(static_cast<v1::BodyType>(start.envelope.body));
  out->set_helo(std::move(start.envelope.helo));
  out->set_client_address(std::move(start.envelope.client_address));
  out->set_session_id(std::move(start.session_id));
}

absl::StatusOr<EnqueueStart> FromProto(const v1::EnqueueOpen& in) {
  if (auto s = CheckText("cluster_uuid", in.cluster_uuid(), kMaxUuidOctets); !s.ok()) return s;
  if (in.token() == 0) return Bad("token", "absent");
  if (auto s = CheckText("reverse_path", in.reverse_path(), spool::kMaxPathOctets); !s.ok()) {
    return s;
  }
  if (in.forward_paths().empty()) return Bad("forward_paths", "none");
  if (static_cast<size_t>(in.forward_paths_size()) > spool::kMaxForwardPaths) {
    return Bad("forward_paths", "too many");
  }
  for (const std::string& path : in.forward_paths()) {
    if (path.empty()) return Bad("forward_paths", "an empty path");
    if (auto s = CheckText("forward_paths", path, spool::kMaxPathOctets); !s.ok()) return s;
  }
  if (!v1::BodyType_IsValid(in.body())) return Bad("body", "unknown");
  if (auto s = CheckText("helo", in.helo(), spool::kMaxHeloOctets); !s.ok()) return s;
  if (!IsIpLiteral(in.client_address())) return Bad("client_address", "not an IP address");
  if (in.client_address().size() > spool::kMaxClientAddressOctets) {
    return Bad("client_address", "too long");
  }
  if (auto s = CheckText("session_id", in.session_id(), kMaxSessionIdOctets); !s.ok()) return s;
  EnqueueStart start;
  start.cluster_uuid = in.cluster_uuid();
  start.token = in.token();
  start.envelope.reverse_path = in.reverse_path();
  start.envelope.forward_paths.assign(in.forward_paths().begin(), in.forward_paths().end());
  start.envelope.body = static_cast<spool::BodyType>(in.body());
  start.envelope.helo = in.helo();
  start.envelope.client_address = in.client_address();
  start.session_id = in.session_id();
  return start;
}

}  // namespace fermo::rpc
