// Whether a process may join: its fields, its cluster, its identity.
//
// Pure. Failure is the answer itself: InvalidArgument names the field,
// FailedPrecondition says why this process can never join as it is,
// AlreadyExists that a live node has the name.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "coordinator/membership/cluster_view.h"
#include "coordinator/membership/process_table.h"
#include "lib/rpc/convert.h"

namespace fermo::coordinator {

absl::Status CheckJoin(const rpc::JoinInfo& join, const ClusterView& view,
                       const ProcessTable& connected);

// FailedPrecondition when it is a node that has been evicted.
absl::Status CheckNotEvicted(const rpc::JoinInfo& join, const ClusterView& view);

// How a node that has been let in is stored.
MemberRecord ToMember(const rpc::JoinInfo& join);

}  // namespace fermo::coordinator
