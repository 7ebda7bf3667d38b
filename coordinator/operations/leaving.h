// Whether a node may leave: by a drain, which hands its copies over first, or by
// an eviction, which takes it out as it is.
//
// Pure; no failure: the verdict is the answer.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/membership/cluster_view.h"
#include "coordinator/operations/node_facts.h"
#include "coordinator/operations/sole_copies.h"

namespace fermo::coordinator {

struct LeaveVerdict {
  std::vector<std::string> objections;  // why not, as half-sentences; force overrides them
  std::string advice;                   // what to do about them
  std::vector<std::string> warnings;    // sentences

  // FailedPrecondition when there are objections; with force they become the
  // first of `warnings`.
  absl::Status Decide(bool force);
};

// `nodes`: all members, the leaving one among them.
LeaveVerdict JudgeDrain(const ClusterView& view, const MemberRecord& leaving,
                        const std::vector<NodeFacts>& nodes);
LeaveVerdict JudgeEviction(const ClusterView& view, const MemberRecord& leaving,
                           const std::vector<NodeFacts>& nodes, const SoleCopies& sole);

// The member that an operator means by a name or an id of 16 hex digits.
// NotFound; InvalidArgument when several have the name.
absl::StatusOr<MemberRecord> FindNode(const ClusterView& view, const std::string& text);

}  // namespace fermo::coordinator
