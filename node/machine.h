// What the stop before this start can have cost: a machine that restarted has
// lost what was unsynced, and a disk that lied even more.
//
// All functions block on the disk; call them before the node serves, in the
// order in which they stand, around LoadIdentity. Failure: the store's.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "node/store/spool_store.h"

namespace fermo::node {

// Of the kernel: another after each restart of the machine.
absl::StatusOr<std::string> MachineBootId();

struct MachineStart {
  // The machine, and not only the process, has restarted since this node ran
  // for the first time under an earlier boot of it: true for as long as this
  // boot, since another start of the process brings no lost writes back.
  bool restarted = false;
  bool first = false;  // the node's first start since it restarted
};
// Compares with what is noted in the store. Neither holds for a store that has no
// note yet.
absl::StatusOr<MachineStart> CompareMachine(const SpoolStore& store, const std::string& boot_id);

// What is added to the node's boot number. After a restart of the machine the
// last numbers may be lost with what was written under them; a random step takes
// none of them again.
uint32_t BootStep(const MachineStart& start, uint64_t random);

// Whether what was synced before may be lost, too: since power was, or since the
// disk failed and the process left this file behind, which is removed. Once so it
// stays so, through later starts, until EndSuspicion.
absl::StatusOr<bool> JudgeLastStop(SpoolStore& store, bool power_lost,
                                   const std::string& failure_mark);
// After JudgeLastStop: who is killed before this start counts as the first once
// more. Durable with the next synced write.
void NoteMachine(SpoolStore& store, const std::string& boot_id, const MachineStart& start);

void EndSuspicion(SpoolStore& store);  // does not wait

}  // namespace fermo::node
