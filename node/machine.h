// Whether the machine, and not only the process, has restarted since this node
// last ran: what was written unsynced is then gone.
//
// Blocks on the disk; call before the node serves.
#pragma once

#include "absl/status/statusor.h"
#include "node/store/spool_store.h"

namespace fermo::node {

// Compares the kernel's boot id with the one noted in the store, and notes the
// present one. False for a store that has none yet.
absl::StatusOr<bool> MachineRestarted(SpoolStore& store);

}  // namespace fermo::node
