#include "coordinator/membership/snapshot_service.h"

#include "fermoposta/v1/control.pb.h"

namespace fermo::coordinator {

namespace v1 = ::fermoposta::v1;

void ToProto(const MemberRecord& member, v1::Member* out) {
  out->set_node(member.node.value());
  out->set_name(member.name);
  out->set_region(member.region);
  out->set_address(member.address);
  out->set_http_address(member.http_address);
  out->set_draining(member.draining);
}

void ToProto(const DomainRecord& domain, v1::Domain* out) {
  out->set_name(domain.name);
  out->set_primary_host(domain.primary.host);
  out->set_primary_port(domain.primary.port);
  out->set_created_millis(domain.created.time_since_epoch().count());
  out->set_revision(domain.revision);
  for (const std::string& region : domain.regions) out->add_regions(region);
}

void ToProto(const ClusterView& view, v1::Snapshot* out) {
  out->Clear();
  out->set_cluster_uuid(view.cluster_uuid);
  out->set_generation(view.generation);
  for (const MemberRecord& member : view.LiveMembers()) ToProto(member, out->add_members());
  for (const auto& [name, domain] : view.domains) ToProto(domain, out->add_domains());
  for (const NodeId node : view.evicted) out->add_evicted(node.value());
}

}  // namespace fermo::coordinator
