// Chooses the node that gets the next message: ready nodes of our own region
// in turn; those of other regions, in turn, only when ours has none.
//
// Pure: told what happened, asked for a node. Not thread-safe.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/ids.h"
#include "lib/cluster/snapshot.h"

namespace fermo::frontend {

class NodePicker {
 public:
  explicit NodePicker(std::string region) : region_(std::move(region)) {}

  // The members of the present snapshot, evicted ones left out. New nodes are
  // not ready; known ones keep their state; others are forgotten.
  void SetMembers(const cluster::Snapshot& snapshot);

  // What the last ping or call said. Unknown nodes are ignored.
  void SetReady(NodeId node, bool ready);

  // The next node, not among `tried`. Nothing when no node is ready.
  // `regions`: only nodes of these; empty: of all.
  std::optional<NodeId> Pick(const std::vector<NodeId>& tried = {},
                             const std::vector<std::string>& regions = {});
  bool AnyReady() const;
  bool IsReady(NodeId node) const;

 private:
  struct Node {
    NodeId id;
    std::string region;
    bool ready = false;
  };
  std::optional<NodeId> PickIn(bool own_region, const std::vector<NodeId>& tried,
                               const std::vector<std::string>& regions);

  std::string region_;
  std::vector<Node> nodes_;  // in the snapshot's order
  size_t turn_ = 0;          // where the next search begins
};

}  // namespace fermo::frontend
