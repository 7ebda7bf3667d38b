// The converters of control.proto: snapshots and joins.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fermoposta/v1/control.pb.h"
#include "lib/base/host_port.h"
#include "lib/rpc/convert.h"
#include "lib/rpc/convert_checks.h"

namespace fermo::rpc {
namespace {

constexpr size_t kMaxNameOctets = 255;
constexpr size_t kMaxUuidOctets = 64;

absl::Status CheckName(std::string_view field, std::string_view name) {
  if (name.empty()) return Bad(field, "empty");
  return CheckText(field, name, kMaxNameOctets);
}

absl::StatusOr<cluster::Member> ReadMember(const v1::Member& in) {
  if (in.node() == 0) return Bad("members.node", "node 0 is nobody");
  if (auto s = CheckName("members.name", in.name()); !s.ok()) return s;
  if (auto s = CheckName("members.region", in.region()); !s.ok()) return s;
  if (!ParseHostPort(in.address()).ok()) return Bad("members.address", "not HOST:PORT");
  cluster::Member member;
  member.node = NodeId(in.node());
  member.name = in.name();
  member.region = in.region();
  member.address = in.address();
  member.draining = in.draining();
  return member;
}

absl::StatusOr<cluster::Domain> ReadDomain(const v1::Domain& in) {
  if (auto s = CheckName("domains.name", in.name()); !s.ok()) return s;
  const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (std::any_of(in.name().begin(), in.name().end(), upper)) {
    return Bad("domains.name", "not in lower case");
  }
  if (auto s = CheckName("domains.primary_host", in.primary_host()); !s.ok()) return s;
  if (in.primary_port() == 0 || in.primary_port() > 65535) {
    return Bad("domains.primary_port", "out of range");
  }
  cluster::Domain domain;
  domain.name = in.name();
  domain.primary.host = in.primary_host();
  domain.primary.port = static_cast<uint16_t>(in.primary_port());
  for (const std::string& region : in.regions()) {
    if (auto s = CheckName("domains.regions", region); !s.ok()) return s;
    domain.regions.push_back(region);
  }
  std::sort(domain.regions.begin(), domain.regions.end());
  return domain;
}

absl::Status ReadMembers(const v1::Snapshot& in, cluster::Snapshot* out) {
  std::set<NodeId> nodes;
  for (const v1::Member& member : in.members()) {
    absl::StatusOr<cluster::Member> read = ReadMember(member);
    if (!read.ok()) return read.status();
    if (!nodes.insert(read->node).second) return Bad("members.node", "a node twice");
    // A name may stand twice: a node with a new disk is a new node, and the old
    // one stays a member until it is evicted.
    out->members.push_back(*std::move(read));
  }
  return absl::OkStatus();
}

absl::Status ReadDomains(const v1::Snapshot& in, cluster::Snapshot* out) {
  for (const v1::Domain& domain : in.domains()) {
    absl::StatusOr<cluster::Domain> read = ReadDomain(domain);
    if (!read.ok()) return read.status();
    out->domains.push_back(*std::move(read));
  }
  const auto by_name = [](const cluster::Domain& a, const cluster::Domain& b) {
    return a.name < b.name;
  };
  const auto same_name = [](const cluster::Domain& a, const cluster::Domain& b) {
    return a.name == b.name;
  };
  std::sort(out->domains.begin(), out->domains.end(), by_name);
  if (std::adjacent_find(out->domains.begin(), out->domains.end(), same_name) !=
      out->domains.end()) {
    return Bad("domains.name", "a domain twice");
  }
  return absl::OkStatus();
}

}  // namespace

void ToProto(const cluster::Snapshot& snapshot, v1::Snapshot* out) {
  out->Clear();
  out->set_cluster_uuid(snapshot.cluster_uuid);
  out->set_generation(snapshot.generation);
  for (const cluster::Member& member : snapshot.members) {
    v1::Member* to = out->add_members();
    to->set_node(member.node.value());
    to->set_name(member.name);
    to->set_region(member.region);
    to->set_address(member.address);
    to->set_draining(member.draining);
  }
  for (const cluster::Domain& domain : snapshot.domains) {
    v1::Domain* to = out->add_domains();
    to->set_name(domain.name);
    to->set_primary_host(domain.primary.host);
    to->set_primary_port(domain.primary.port);
    for (const std::string& region : domain.regions) to->add_regions(region);
  }
  for (const NodeId node : snapshot.evicted) out->add_evicted(node.value());
}

absl::StatusOr<cluster::Snapshot> FromProto(const v1::Snapshot& in) {
  if (in.cluster_uuid().empty()) return Bad("cluster_uuid", "empty");
  if (auto s = CheckText("cluster_uuid", in.cluster_uuid(), kMaxUuidOctets); !s.ok()) return s;
  cluster::Snapshot snapshot;
  snapshot.cluster_uuid = in.cluster_uuid();
  snapshot.generation = in.generation();
  if (auto s = ReadMembers(in, &snapshot); !s.ok()) return s;
  if (auto s = ReadDomains(in, &snapshot); !s.ok()) return s;
  for (const uint64_t node : in.evicted()) {
    if (node == 0) return Bad("evicted", "node 0 is nobody");
    snapshot.evicted.push_back(NodeId(node));
  }
  return snapshot;
}

void ToProto(const JoinInfo& join, v1::Join* out) {
  out->Clear();
  out->set_role(static_cast<v1::Role>(join.role));
  out->set_name(join.name);
  out->set_region(join.region);
  out->set_cluster_uuid(join.cluster_uuid);
  out->set_node(join.node.value());
  out->set_boot(join.boot);
  out->set_advertise_address(join.advertise_address);
  out->set_http_address(join.http_address);
  out->set_smtp_address(join.smtp_address);
  out->set_version(join.version);
}

absl::StatusOr<JoinInfo> FromProto(const v1::Join& in) {
  if (in.role() < v1::ROLE_NODE || in.role() > v1::ROLE_COORDINATOR) return Bad("role", "unknown");
  JoinInfo join;
  join.role = static_cast<Role>(in.role());
  if (auto s = CheckName("name", in.name()); !s.ok()) return s;
  const bool node = join.role == Role::kNode;
  if (node || !in.region().empty()) {
    if (auto s = CheckName("region", in.region()); !s.ok()) return s;
  }
  if (auto s = CheckText("cluster_uuid", in.cluster_uuid(), kMaxUuidOctets); !s.ok()) return s;
  if (node && in.node() == 0) return Bad("node", "node 0 is nobody");
  if (node && in.boot() == 0) return Bad("boot", "boots count from 1");
  if (node && !ParseHostPort(in.advertise_address()).ok()) {
    return Bad("advertise_address", "not HOST:PORT");
  }
  for (const std::string* text :
       {&in.advertise_address(), &in.http_address(), &in.smtp_address(), &in.version()}) {
    if (auto s = CheckText("addresses or version", *text, kMaxNameOctets); !s.ok()) return s;
  }
  join.name = in.name();
  join.region = in.region();
  join.cluster_uuid = in.cluster_uuid();
  join.node = NodeId(in.node());
  join.boot = in.boot();
  join.advertise_address = in.advertise_address();
  join.http_address = in.http_address();
  join.smtp_address = in.smtp_address();
  join.version = in.version();
  return join;
}

}  // namespace fermo::rpc
