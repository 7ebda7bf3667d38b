#include "tests/sim/simulation.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "fmt/format.h"
#include "tests/sim/faults.h"
#include "tests/sim/sim_node.h"

namespace fermo::sim {

using namespace std::chrono_literals;

namespace {

constexpr Duration kWindow = 60s;  // in which mail comes and faults begin
constexpr Duration kGrace = 60s;
constexpr Duration kDotTimeout = 20s;
// After healing: leases, claims, a grace, retries with back-off, closing.
constexpr Duration kToDrain = kGrace + 5min;
constexpr int kTries = 4;  // of a sender that gets no 250

struct Topology {
  int regions;
  int nodes_per_region;
  uint32_t copies;
  uint32_t write_copies;
  uint32_t min_regions;
};
constexpr Topology kThree{3, 1, 3, 2, 2};
constexpr Topology kOthers[] = {{3, 2, 3, 2, 2}, {5, 1, 3, 2, 2}, {2, 1, 2, 2, 2}, {1, 1, 1, 1, 1}};

class Simulation : public Cluster {
 public:
  explicit Simulation(const SimulationOptions& options)
      : options_(options),
        random_(options.seed),
        history_(options.keep_history),
        topology_(random_.OneIn(0.7) ? kThree : kOthers[random_.Uniform(std::size(kOthers))]),
        network_(scheduler_, random_, random_.OneIn(0.5) ? 1ms : 15ms),
        oracle_(*this, OracleOptionsOf(topology_, options.faults > 0), history_) {
    MakeNodes();
  }

  SimulationResult Run();

  // --- Cluster
  int size() const override { return static_cast<int>(nodes_.size()); }
  const SimDisk& disk(int node) const override { return nodes_[node]->disk(); }
  const std::string& region(int node) const override { return nodes_[node]->region(); }
  bool Owns(int node, const SegmentId& segment, Epoch at_least) const override {
    return nodes_[node]->Owns(segment, at_least);
  }

 private:
  struct Mail {
    SimNode::Mail upload;
    int region = 0;
    int tries = 0;
  };

  static OracleOptions OracleOptionsOf(const Topology& topology, bool faults) {
    return {topology.write_copies, topology.min_regions, kGrace, faults};
  }
  void MakeNodes();
  void Send(uint64_t number);
  void SenderHears(uint64_t number, std::optional<absl::Status> verdict);
  std::optional<int> FrontendPicks(int region);
  void Begin(const Fault& fault);
  void End(const Fault& fault);
  void Cut(int from, int to, int by);
  void CutPaths(const Fault& fault, int by);
  void Heal();
  bool Drained() const;

  const SimulationOptions options_;
  Rng random_;
  Scheduler scheduler_;
  History history_;
  const Topology topology_;
  SimNetwork network_;
  SimPrimary primary_;
  Oracle oracle_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::map<std::pair<int, int>, int> cuts_;  // how many faults cut the path
  std::map<uint64_t, Mail> mails_;
  uint64_t next_token_ = 1;
  uint64_t open_mails_ = 0;  // whose sender goes on trying
  bool healing_ = false;
};

void Simulation::MakeNodes() {
  cluster::Snapshot snapshot;
  snapshot.cluster_uuid = "simulated";
  snapshot.generation = 1;
  const int nodes = topology_.regions * topology_.nodes_per_region;
  for (int i = 0; i < nodes; ++i) {
    snapshot.members.push_back({NodeId(i + 1), fmt::format("node-{}", i),
                                fmt::format("region-{}", i % topology_.regions), ""});
  }
  for (int i = 0; i < nodes; ++i) {
    NodeSettings settings;
    settings.index = i;
    settings.id = NodeId(i + 1);
    settings.region = snapshot.members[i].region;
    settings.clock_rate = 0.99 + 0.02 * random_.UnitInterval();
    settings.dot_timeout = kDotTimeout;
    settings.replica.copies = topology_.copies;
    settings.replica.write_copies = topology_.write_copies;
    settings.replica.min_regions = topology_.min_regions;
    settings.replica.append_budget = 8s;
    settings.replica.grace = kGrace;
    settings.replica.announce_again = 10s;
    settings.replica.segment_messages = 8 + static_cast<uint32_t>(random_.Uniform(64));
    settings.replica.segment_age = 30s;
    const World world{scheduler_, random_, network_, oracle_, primary_, history_};
    nodes_.push_back(std::make_unique<SimNode>(world, settings, snapshot));
    network_.Add(nodes_.back().get());
    nodes_.back()->on_death = [this, i] {
      scheduler_.After(random_.Jitter(2s, 0.9), [this, i] { nodes_[i]->Boot(); });
    };
  }
}

// --- Senders

std::optional<int> Simulation::FrontendPicks(int region) {
  std::vector<int> own, others;
  for (int i = 0; i < size(); ++i) {
    if (!nodes_[i]->Running() || nodes_[i]->disk_full()) continue;
    (i % topology_.regions == region ? own : others).push_back(i);
  }
  std::vector<int>& from = own.empty() ? others : own;
  if (from.empty()) return std::nullopt;
  return from[random_.Uniform(from.size())];
}

void Simulation::Send(uint64_t number) {
  Mail& mail = mails_.at(number);
  if (mail.tries > 0) oracle_.SenderRetries(number);
  ++mail.tries;
  mail.upload.token = next_token_++;
  oracle_.Uploading(mail.upload.token, number, mail.upload.legs);
  const auto node = FrontendPicks(mail.region);
  if (!node) {
    SenderHears(number, std::nullopt);
    return;
  }
  history_.Add(scheduler_.now(), "mail {} goes to node {} as upload {}", number, *node,
               mail.upload.token);
  nodes_[*node]->Upload(mail.upload, [this, number](std::optional<absl::Status> verdict) {
    SenderHears(number, std::move(verdict));
  });
}

void Simulation::SenderHears(uint64_t number, std::optional<absl::Status> verdict) {
  const bool accepted = verdict && verdict->ok();
  if (accepted || mails_.at(number).tries >= kTries || healing_) {
    --open_mails_;
    return;
  }
  scheduler_.After(random_.Jitter(5s, 0.9), [this, number] { Send(number); });
}

// --- Faults

void Simulation::Cut(int from, int to, int by) {
  if (from == to) return;
  int& cuts = cuts_[{from, to}];
  cuts += by;
  network_.Cut(from, to, cuts > 0);
}

void Simulation::CutPaths(const Fault& fault, int by) {
  const bool one_way = fault.kind == FaultKind::kCutOneWay;
  const bool pair = one_way || fault.kind == FaultKind::kCutBothWays;
  for (int other = 0; other < size(); ++other) {
    if (pair && other != fault.other) continue;
    Cut(fault.node, other, by);
    if (!one_way) Cut(other, fault.node, by);
  }
}

void Simulation::Begin(const Fault& fault) {
  if (healing_) return;
  history_.Add(scheduler_.now(), "FAULT {} at node {} (other {}) for {} ms", ToString(fault.kind),
               fault.node, fault.other, fault.span / 1ms);
  SimNode& node = *nodes_[fault.node];
  switch (fault.kind) {
    case FaultKind::kCrash:
      node.Crash();
      break;
    case FaultKind::kPower:
      node.LosePower();
      break;
    case FaultKind::kPowerAtPromise:
      node.LosePowerAtPromise();
      break;
    case FaultKind::kPowerAtWrite:
      node.LosePowerAtWrite(1 + static_cast<uint32_t>(random_.Uniform(20)));
      break;
    case FaultKind::kRegion:
      for (auto& other : nodes_) {
        if (other->region() == node.region()) other->LosePower();
      }
      break;
    case FaultKind::kStall:
      node.Stall(fault.span);
      break;
    case FaultKind::kStallBeforeDot:
      node.StallBeforeNextDot(fault.span);
      break;
    case FaultKind::kIsolateWithCrash:
      if (fault.other != fault.node) {
        nodes_[fault.other]->Crash();
        nodes_[fault.other]->on_death();
      }
      CutPaths(fault, 1);
      break;
    case FaultKind::kCutOneWay:
    case FaultKind::kCutBothWays:
    case FaultKind::kIsolate:
      CutPaths(fault, 1);
      break;
    case FaultKind::kSlowDisk:
      node.SlowDisk(500ms);
      break;
    case FaultKind::kStuckDisk:
      node.SlowDisk(fault.span);
      break;
    case FaultKind::kFailingDisk:
      node.FailDisk();
      break;
    case FaultKind::kFullDisk:
      node.FillDisk(true);
      break;
    case FaultKind::kLossy:
      network_.SetLossy(0.2);
      break;
    case FaultKind::kPrimaryDown:
      primary_.up = false;
      break;
    case FaultKind::kPrimaryUnsure:
      primary_.loses_reply = 0.1;
      primary_.refuses_leg = 0.2;
      break;
    case FaultKind::kRestart:
      node.StopAccepting();
      break;
  }
  if (!healing_) scheduler_.After(fault.span, [this, fault] { End(fault); });
}

void Simulation::End(const Fault& fault) {
  SimNode& node = *nodes_[fault.node];
  switch (fault.kind) {
    case FaultKind::kCrash:
    case FaultKind::kPower:
      node.Boot();
      break;
    case FaultKind::kRegion:
      for (auto& other : nodes_) {
        if (other->region() == node.region()) other->Boot();
      }
      break;
    case FaultKind::kCutOneWay:
    case FaultKind::kCutBothWays:
    case FaultKind::kIsolate:
    case FaultKind::kIsolateWithCrash:
      if (!healing_) CutPaths(fault, -1);
      break;
    case FaultKind::kSlowDisk:
    case FaultKind::kStuckDisk:
      node.SlowDisk(1ms);
      break;
    case FaultKind::kFullDisk:
      node.FillDisk(false);
      break;
    case FaultKind::kLossy:
      network_.SetLossy(0);
      break;
    case FaultKind::kPrimaryDown:
      primary_.up = true;
      break;
    case FaultKind::kPrimaryUnsure:
      primary_.loses_reply = primary_.refuses_leg = 0;
      break;
    case FaultKind::kRestart:
      node.Crash();
      node.Boot();
      break;
    case FaultKind::kStall:
    case FaultKind::kStallBeforeDot:
    case FaultKind::kFailingDisk:
    case FaultKind::kPowerAtPromise:
    case FaultKind::kPowerAtWrite:
      break;
  }
}

void Simulation::Heal() {
  history_.Add(scheduler_.now(), "HEALING");
  healing_ = true;
  for (auto& [path, cuts] : cuts_) {
    cuts = 0;
    network_.Cut(path.first, path.second, false);
  }
  network_.SetLossy(0);
  primary_ = SimPrimary{};
  primary_.up = true;
  for (auto& node : nodes_) {
    node->FillDisk(false);
    node->SlowDisk(1ms);
    node->Boot();
  }
}

bool Simulation::Drained() const {
  if (open_mails_ > 0) return false;
  return std::all_of(nodes_.begin(), nodes_.end(),
                     [](const auto& node) { return node->disk().live().Empty(); });
}

SimulationResult Simulation::Run() {
  const Instant begin = scheduler_.now();
  for (auto& node : nodes_) node->Boot();
  for (uint64_t number = 1; number <= options_.mails; ++number) {
    Mail& mail = mails_[number];
    mail.region = static_cast<int>(random_.Uniform(topology_.regions));
    mail.upload.legs = random_.OneIn(0.8) ? 1 : 2 + static_cast<uint32_t>(random_.Uniform(2));
    mail.upload.chunks = random_.OneIn(0.8) ? 1 : 2 + static_cast<uint32_t>(random_.Uniform(3));
    mail.upload.between_chunks = random_.Jitter(200ms, 1);
    ++open_mails_;
    const Duration at = 2s + Duration(static_cast<int64_t>(random_.Uniform(kWindow.count())));
    scheduler_.After(at, [this, number] { Send(number); });
  }
  // The primary is down at first, so that mail gathers.
  const Duration primary_at = Duration(static_cast<int64_t>(random_.Uniform(kWindow.count())));
  scheduler_.After(primary_at, [this] { primary_.up = true; });
  for (const Fault& fault : DrawFaults(random_, options_.faults, size(), kWindow)) {
    scheduler_.After(2s + fault.at, [this, fault] { Begin(fault); });
  }
  const auto never = [] { return false; };
  scheduler_.RunUntil(begin + kWindow + 10s, never);
  Heal();
  const bool in_time =
      scheduler_.RunUntil(scheduler_.now() + kToDrain, [this] { return Drained(); });
  for (const auto& node : nodes_) {
    if (!in_time) history_.Add(scheduler_.now(), "{}", node->Describe());
  }
  oracle_.Judge(scheduler_.now(), in_time);
  SimulationResult result;
  result.violations = oracle_.violations();
  result.history = history_.text();
  result.accepted = oracle_.accepted();
  result.duplicates = oracle_.duplicates();
  result.faults = options_.faults;
  result.simulated = scheduler_.now() - begin;
  return result;
}

}  // namespace

SimulationResult Simulate(const SimulationOptions& options) { return Simulation(options).Run(); }

}  // namespace fermo::sim
