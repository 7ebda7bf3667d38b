// Where the copies of a segment go (design section 4, "Choosing holders").
//
// Pure functions; no failure: with too few members the list is short.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "lib/base/ids.h"
#include "lib/cluster/snapshot.h"

namespace fermo::cluster {

struct PlacementRules {
  uint32_t copies = 3;
  std::vector<std::string> regions;  // the only ones that may hold copies; empty: all
  const std::set<NodeId>* evicted = nullptr;
};

// The writer first, then nodes of other regions by rendezvous hashing: live
// before down, regions not yet used before used ones. A node that is down is
// named only where no live one is left: its copy follows when it is back, and
// the claim quorum counts it. At most `copies` nodes; members that are evicted
// or draining are never named.
std::vector<NodeId> ChooseHolders(const SegmentId& segment, const Snapshot& snapshot,
                                  const PlacementRules& rules,
                                  const std::function<bool(NodeId)>& is_live);

// `kept` and, until there are `copies`, live nodes that are in none of both
// lists, by the same order.
std::vector<NodeId> FillHolders(const SegmentId& segment, const Snapshot& snapshot,
                                const PlacementRules& rules, std::vector<NodeId> kept,
                                const std::vector<NodeId>& barred,
                                const std::function<bool(NodeId)>& is_live);

}  // namespace fermo::cluster
