// What is wrong with the cluster, in sentences for an operator.
//
// Pure; no failure. The same facts always give the same sentences.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/membership/cluster_view.h"
#include "coordinator/membership/process_table.h"
#include "lib/base/time.h"

namespace fermo::coordinator {

// One member, as it looked when it was asked.
struct NodeFacts {
  MemberRecord member;
  bool answered = false;
  std::string error;                        // when not
  bool connected = false;                   // watches this coordinator
  std::optional<WallTime> disconnected_at;  // nullopt: not seen since our start
  bool ready = false;
  std::string not_ready_reason;
  // What the node is configured for; 0: it does not say.
  uint32_t copies = 0;
  uint32_t write_copies = 0;
  uint32_t min_regions = 0;
};

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
