#include "lib/rpc/control_client.h"

namespace fermo::rpc {

SnapshotVerdict JudgeSnapshot(const cluster::Snapshot* current, std::string_view joined_uuid,
                              const cluster::Snapshot& offered) {
  if (offered.cluster_uuid.empty()) return SnapshotVerdict::kForeign;
  if (!joined_uuid.empty() && offered.cluster_uuid != joined_uuid) return SnapshotVerdict::kForeign;
  if (current == nullptr) return SnapshotVerdict::kApply;
  if (offered.cluster_uuid != current->cluster_uuid) return SnapshotVerdict::kForeign;
  if (offered.generation < current->generation) return SnapshotVerdict::kOlder;
  if (offered.generation == current->generation) return SnapshotVerdict::kSame;
  return SnapshotVerdict::kApply;
}

}  // namespace fermo::rpc
