#include "node/delivery/domain_table.h"

namespace fermo::node {

DomainIndex DomainTable::Intern(std::string_view domain) {
  const auto [it, added] =
      by_name_.try_emplace(std::string(domain), static_cast<DomainIndex>(domains_.size()));
  if (added) domains_.push_back({it->first, kNoRoute});
  return it->second;
}

std::optional<DomainIndex> DomainTable::Find(std::string_view domain) const {
  const auto it = by_name_.find(std::string(domain));
  if (it == by_name_.end()) return std::nullopt;
  return it->second;
}

RouteIndex DomainTable::InternRoute(const cluster::Route& route) {
  const auto [it, added] = by_route_.try_emplace(route, static_cast<RouteIndex>(routes_.size()));
  if (added) routes_.push_back(route);
  return it->second;
}

}  // namespace fermo::node
