// What is wrong with the cluster, in sentences for an operator.
//
// Pure; no failure. The same facts always give the same sentences.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/membership/process_table.h"
#include "coordinator/operations/node_facts.h"
#include "lib/base/time.h"

namespace fermo::coordinator {

struct ClusterFacts {
  uint64_t generation = 0;
  std::vector<NodeFacts> nodes;
  std::vector<Process> processes;
  WallTime coordinator_started{};
};

std::vector<std::string> FindProblems(const ClusterFacts& facts);

// "2024-05-01 12:00:00 UTC".
std::string FormatUtc(WallTime time);

}  // namespace fermo::coordinator
