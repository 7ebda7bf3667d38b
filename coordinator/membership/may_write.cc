#include "coordinator/membership/may_write.h"

#include "fmt/format.h"

namespace fermo::coordinator {

absl::Status MayWrite(const ClusterView& view, const ProcessTable& connected) {
  const Process* newest = connected.Newest();
  if (!newest || newest->applied_generation <= view.generation) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format(
      "{} runs on generation {} but this coordinator has only {}: its data directory is older than "
      "the cluster, and a change made here would undo later ones; give it the newest copy",
      newest->join.name, newest->applied_generation, view.generation));
}

}  // namespace fermo::coordinator
