// Small numbers for domains and routes, so that the queue need not keep names
// per message.
//
// Owned by the deliverer, used on the core executor. Nothing fails. Entries are
// never removed: there are as many as domains were ever configured or found in
// mail that waits here.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lib/cluster/snapshot.h"

namespace fermo::node {

using DomainIndex = uint32_t;
using RouteIndex = uint32_t;
inline constexpr RouteIndex kNoRoute = std::numeric_limits<RouteIndex>::max();

class DomainTable {
 public:
  DomainIndex Intern(std::string_view domain);
  std::optional<DomainIndex> Find(std::string_view domain) const;
  const std::string& Name(DomainIndex domain) const { return domains_[domain].name; }
  size_t size() const { return domains_.size(); }

  RouteIndex InternRoute(const cluster::Route& route);
  const cluster::Route& RouteAt(RouteIndex route) const { return routes_[route]; }
  size_t route_count() const { return routes_.size(); }

  // kNoRoute: the domain isn't configured (any more); its mail stays.
  RouteIndex RouteOf(DomainIndex domain) const { return domains_[domain].route; }
  void Assign(DomainIndex domain, RouteIndex route) { domains_[domain].route = route; }

 private:
  struct Entry {
    std::string name;
    RouteIndex route = kNoRoute;
  };
  std::deque<Entry> domains_;
  absl::flat_hash_map<std::string, DomainIndex> by_name_;
  std::deque<cluster::Route> routes_;
  std::map<cluster::Route, RouteIndex> by_route_;
};

}  // namespace fermo::node
