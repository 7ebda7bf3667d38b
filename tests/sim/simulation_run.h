// One seed's world at work: who sends, what breaks, who is told. Internal to
// simulation.cc and simulation_faults.cc.
//
// One thread; owns everything in its world.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "tests/sim/faults.h"
#include "tests/sim/sim_node.h"
#include "tests/sim/simulation.h"

namespace fermo::sim {

struct Topology {
  int regions;
  int nodes_per_region;
  uint32_t copies;
  uint32_t write_copies;
  uint32_t min_regions;
};

class Simulation : public Cluster {
 public:
  explicit Simulation(const SimulationOptions& options);

  SimulationResult Run();

  // --- Cluster
  int size() const override { return static_cast<int>(nodes_.size()); }
  const SimDisk& disk(int node) const override { return nodes_[node]->disk(); }
  NodeId id(int node) const override { return nodes_[node]->id(); }
  bool evicted(NodeId node) const override { return coordinator_.IsEvicted(node); }
  const std::string& region(int node) const override { return nodes_[node]->region(); }
  bool HasLeases(int node, const SegmentId& segment) const override;
  bool Owns(int node, const SegmentId& segment, Epoch at_least) const override {
    return nodes_[node]->Owns(segment, at_least);
  }

 private:
  struct Mail {
    SimNode::Mail upload;
    int region = 0;
    int tries = 0;
  };

  cluster::Member MemberAt(int node, NodeId id) const {
    return {id, fmt::format("node-{}", node), fmt::format("region-{}", node % topology_.regions),
            "", false};
  }
  void MakeNodes();
  void Send(uint64_t number);
  void AskAgain(uint64_t number, SimNode* node, Instant until);
  void Split(Duration span);
  void SenderHears(uint64_t number, std::optional<absl::Status> verdict);
  std::optional<int> FrontendPicks(int region, const std::vector<std::string>& allowed);
  void Begin(const Fault& fault);
  bool BeginAtNode(const Fault& fault);
  void BeginAround(const Fault& fault);
  void End(const Fault& fault);
  void Cut(int from, int to, int by);
  void CutPaths(const Fault& fault, int by);
  void CutOff(int node, int but, int by);
  void WordLeft(int told);
  void Publish();
  void Wipe(int node, Duration until_replaced);
  void Reconfigure(SimNode& node);
  void BeginLeaving(const Fault& fault);
  void EvictAlive(const Fault& fault);
  void AwaitDrained(int node, NodeId id);
  void AwaitTrusted(int node, NodeId id, int other);
  void Heal();
  bool Drained() const;

  const SimulationOptions options_;
  Rng random_;
  Scheduler scheduler_;
  History history_;
  const Topology topology_;
  SimCoordinator coordinator_;
  SimNetwork network_;
  SimPrimary primary_;
  Oracle oracle_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::map<std::pair<int, int>, int> cuts_;  // how many faults cut the path
  std::map<uint64_t, Mail> mails_;
  uint64_t next_token_ = 1;
  uint64_t open_mails_ = 0;  // whose sender goes on trying
  bool healing_ = false;
  // What an evicted node that runs still accepts has one copy elsewhere: no disk may lie
  // in the same run.
  bool lied_ = false;
  bool evicted_alive_ = false;
};

}  // namespace fermo::sim
