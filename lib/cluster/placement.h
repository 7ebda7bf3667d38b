// Where the copies of a new segment go (design section 4, "Choosing holders").
//
// A pure function; no failure: with too few members the list is short.
#pragma once

#include <functional>
#include <vector>

#include "lib/base/ids.h"
#include "lib/cluster/snapshot.h"

namespace fermo::cluster {

// The writer first, then nodes of other regions by rendezvous hashing: live
// before down, regions not yet used before used ones. A node that is down is
// named only where no live one is left: its copy follows when it is back, and
// the claim quorum counts it. At most `copies` nodes; members that are evicted
// are never named.
std::vector<NodeId> ChooseHolders(const SegmentId& segment, const Snapshot& snapshot,
                                  uint32_t copies, const std::function<bool(NodeId)>& is_live);

}  // namespace fermo::cluster
