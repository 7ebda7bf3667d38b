#include "lib/cluster/snapshot.h"

#include <algorithm>

#include "lib/spool/record.h"

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

absl::StatusOr<std::vector<std::string>> Snapshot::RegionsFor(
    const std::vector<std::string>& forward_paths) const {
  std::optional<std::vector<std::string>> common;
  for (const std::string& path : forward_paths) {
    const Domain* domain = FindDomain(spool::DomainOf(path));
    const std::vector<std::string> regions =
        domain == nullptr ? std::vector<std::string>() : domain->regions;
    if (common && *common != regions) {
      return absl::InvalidArgumentError(
          "forward_paths: their domains may not be held in the same regions");
    }
    common = regions;
  }
  return common.value_or(std::vector<std::string>());
}

}  // namespace fermo::cluster
