// The processes that watch this coordinator now, and the generation that each
// has applied.
//
// A pure value: no threads, no clock, no failure. Bounded by the streams that
// the caller admits and the members of the cluster.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "lib/base/ids.h"
#include "lib/base/time.h"
#include "lib/rpc/convert.h"

namespace fermo::coordinator {

struct Process {
  uint64_t stream = 0;  // numbers the connection, within this coordinator's run
  rpc::JoinInfo join;
  uint64_t applied_generation = 0;
};

struct AppliedCount {
  uint32_t processes = 0;  // connected
  uint32_t applied = 0;    // of them, that run on the generation asked for or a later one
  bool operator==(const AppliedCount&) const = default;
};

class ProcessTable {
 public:
  // Adds a connection. Returns those that it replaces, which are gone from the
  // table: the same process connects again before its old stream has ended.
  std::vector<uint64_t> Add(Process process);
  // A process never goes back: a lower number is ignored.
  void Acknowledge(uint64_t stream, uint64_t generation);
  void Remove(uint64_t stream, WallTime now);

  const Process* FindNode(NodeId node) const;
  const Process* FindNodeByName(std::string_view name) const;
  // By role, region and name.
  std::vector<Process> List() const;
  size_t size() const { return processes_.size(); }

  AppliedCount CountApplied(uint64_t generation) const;
  // The process that runs on the highest generation; null when there is none.
  const Process* Newest() const;
  // When the connection of a node ended that is not connected now; nullopt
  // when it has not been connected since this coordinator started.
  std::optional<WallTime> DisconnectedAt(NodeId node) const;

 private:
  std::map<uint64_t, Process> processes_;
  std::map<NodeId, WallTime> disconnected_;
};

}  // namespace fermo::coordinator
