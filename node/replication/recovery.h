// What a node finds on its disk when it boots: its segments as the replication
// machine wants them.
//
// Blocks on the disk; call before the node serves. Failure: DataLoss when a
// segment or a record is damaged, with its name.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "lib/base/time.h"
#include "lib/cluster/replica_types.h"
#include "node/store/spool_store.h"

namespace fermo::node {

// `grace` is counted anew from `now` for every announcement found.
absl::StatusOr<std::vector<cluster::RecoveredSegment>> RecoverSegments(const SpoolStore& store,
                                                                       Instant now, Duration grace);

}  // namespace fermo::node
