#include "lib/cluster/snapshot.h"

#include <algorithm>

namespace fermo::cluster {

const Member* Snapshot::FindMember(NodeId node) const {
  auto it = std::find_if(members.begin(), members.end(),
                         [node](const Member& m) { return m.node == node; });
  return it == members.end() ? nullptr : &*it;
}

const Domain* Snapshot::FindDomain(std::string_view lower_case_name) const {
  auto it = std::lower_bound(
      domains.begin(), domains.end(), lower_case_name,
      [](const Domain& domain, std::string_view name) { return domain.name < name; });
  return it != domains.end() && it->name == lower_case_name ? &*it : nullptr;
}

}  // namespace fermo::cluster
