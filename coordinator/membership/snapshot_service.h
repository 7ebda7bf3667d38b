// Our records as the wire messages that processes and operators receive.
//
// Pure; no failure. Protobuf classes are only declared here.
#pragma once

#include "coordinator/membership/cluster_view.h"

namespace fermoposta::v1 {
class Domain;
class Member;
class Snapshot;
}  // namespace fermoposta::v1

namespace fermo::coordinator {

void ToProto(const MemberRecord& member, fermoposta::v1::Member* out);
void ToProto(const DomainRecord& domain, fermoposta::v1::Domain* out);
// Domains sorted by name, members by region and name without those evicted.
void ToProto(const ClusterView& view, fermoposta::v1::Snapshot* out);

}  // namespace fermo::coordinator
