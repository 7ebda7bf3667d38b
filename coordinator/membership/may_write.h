// Whether this coordinator may change the configuration. One restored from an
// old backup must not number new changes below what the processes run on: they
// would never take them.
//
// Pure. Failure is the answer: FailedPrecondition, for the operator.
#pragma once

#include "absl/status/status.h"
#include "coordinator/membership/cluster_view.h"
#include "coordinator/membership/process_table.h"

namespace fermo::coordinator {

absl::Status MayWrite(const ClusterView& view, const ProcessTable& connected);

}  // namespace fermo::coordinator
