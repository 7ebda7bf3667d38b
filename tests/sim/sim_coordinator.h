// The coordinator, as nodes meet it: it publishes the configuration and grants
// delivery alone. It may be out of reach; then all goes on as before.
//
// Owned by the Simulation, one thread.
#pragma once

#include <algorithm>
#include <functional>
#include <utility>

#include "lib/cluster/snapshot.h"
#include "lib/cluster/survivor_grants.h"
#include "tests/sim/scheduler.h"

namespace fermo::sim {

class SimCoordinator {
 public:
  SimCoordinator(const Scheduler& scheduler, Duration lease)
      : scheduler_(scheduler), grants_(lease, scheduler.now() - lease * 3) {}

  const cluster::Snapshot& snapshot() const { return snapshot_; }
  bool gone = false;
  std::function<void()> on_change;

  // An operator's change; published when the coordinator can be reached.
  template <class Change>
  void Apply(Change change) {
    change(snapshot_);
    ++snapshot_.generation;
    if (on_change) on_change();
  }
  void Join(const cluster::Member& member) {
    if (snapshot_.FindMember(member.node) != nullptr) return;
    Apply([&](cluster::Snapshot& snapshot) { snapshot.members.push_back(member); });
  }
  bool IsEvicted(NodeId node) const {
    return std::find(snapshot_.evicted.begin(), snapshot_.evicted.end(), node) !=
           snapshot_.evicted.end();
  }
  void Evict(NodeId node) {
    Apply([node](cluster::Snapshot& snapshot) {
      std::erase_if(snapshot.members, [node](const auto& member) { return member.node == node; });
      snapshot.evicted.push_back(node);
    });
  }
  void Drain(NodeId node) {
    Apply([node](cluster::Snapshot& snapshot) {
      for (cluster::Member& member : snapshot.members) {
        if (member.node == node) member.draining = true;
      }
    });
  }
  bool MayDeliverAlone(const SegmentId& segment, NodeId node) {
    return !IsEvicted(node) && grants_.Ask(segment, node, scheduler_.now());
  }

 private:
  const Scheduler& scheduler_;
  cluster::Snapshot snapshot_;
  cluster::SurvivorGrants grants_;
};

}  // namespace fermo::sim
