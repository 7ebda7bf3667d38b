#include "tests/sim/simulation.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "tests/sim/simulation_run.h"

namespace fermo::sim {

using namespace std::chrono_literals;

namespace {

constexpr Duration kWindow = 60s;  // in which mail comes and faults begin
constexpr Duration kGrace = 60s;
constexpr Duration kDotTimeout = 20s;
// After healing: leases, claims, a grace, retries with back-off, closing.
constexpr Duration kToDrain = kGrace + 5min;
constexpr int kTries = 4;  // of a sender that gets no 250

constexpr Topology kThree{3, 1, 3, 2, 2};
constexpr Topology kOthers[] = {{3, 2, 3, 2, 2}, {5, 1, 3, 2, 2}, {5, 2, 3, 2, 2},
                                {2, 1, 2, 2, 2}, {1, 1, 1, 1, 1}, {3, 1, 1, 1, 1}};

OracleOptions OracleOptionsOf(const Topology& topology, bool faults) {
  return {topology.write_copies, topology.min_regions, kGrace, faults};
}

}  // namespace

Simulation::Simulation(const SimulationOptions& options)
    : options_(options),
      random_(options.seed),
      history_(options.keep_history),
      topology_(random_.OneIn(0.7) ? kThree : kOthers[random_.Uniform(std::size(kOthers))]),
      coordinator_(scheduler_, cluster::ReplicaOptions().lease),
      network_(scheduler_, random_, random_.OneIn(0.5) ? 1ms : 15ms),
      oracle_(*this, OracleOptionsOf(topology_, options.faults > 0), history_) {
  MakeNodes();
}

void Simulation::MakeNodes() {
  const int nodes = topology_.regions * topology_.nodes_per_region;
  coordinator_.Apply([&](cluster::Snapshot& snapshot) {
    snapshot.cluster_uuid = "simulated";
    for (int i = 0; i < nodes; ++i) snapshot.members.push_back(MemberAt(i, NodeId(i + 1)));
  });
  coordinator_.on_change = [this] { Publish(); };
  for (int i = 0; i < nodes; ++i) {
    NodeSettings settings;
    settings.index = i;
    settings.id = NodeId(i + 1);
    settings.region = MemberAt(i, NodeId(i + 1)).region;
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
    settings.replica.repair_after = 12s;
    settings.replica.repair_timeout = 30s;
    settings.replica.guest_patience = 15s;
    settings.replica.orphan_after = 25s;
    const World world{scheduler_, random_, network_, oracle_, primary_, coordinator_, history_};
    nodes_.push_back(std::make_unique<SimNode>(world, settings));
    network_.Add(nodes_.back().get());
    nodes_.back()->on_proposal = [this] { Split(random_.Jitter(25s, 0.9)); };
    nodes_.back()->on_word = [this](int to) { WordLeft(to); };
    nodes_.back()->on_death = [this, i] {
      scheduler_.After(random_.Jitter(2s, 0.9), [this, i] { nodes_[i]->Boot(); });
    };
  }
}

std::optional<int> Simulation::FrontendPicks(int region, const std::vector<std::string>& allowed) {
  std::vector<int> own, others;
  for (int i = 0; i < size(); ++i) {
    if (!nodes_[i]->Running() || nodes_[i]->disk_full()) continue;
    const auto& at = nodes_[i]->region();
    if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), at) == allowed.end())
      continue;
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
  oracle_.Uploading(mail.upload.token, number, mail.upload.legs, mail.upload.regions);
  const auto node = FrontendPicks(mail.region, mail.upload.regions);
  if (!node) {
    SenderHears(number, std::nullopt);
    return;
  }
  history_.Add(scheduler_.now(), "mail {} goes to node {} as upload {}", number, *node,
               mail.upload.token);
  SimNode* to = nodes_[*node].get();
  nodes_[*node]->Upload(mail.upload, [this, number, to](std::optional<absl::Status> verdict) {
    const bool unknown = !verdict || absl::IsUnknown(*verdict);
    if (!unknown || random_.OneIn(0.5)) {
      SenderHears(number, std::move(verdict));
      return;
    }
    AskAgain(number, to, scheduler_.now() + 30s);
  });
}

// The frontend asks the same node for the verdict that it did not hear.
void Simulation::AskAgain(uint64_t number, SimNode* node, Instant until) {
  scheduler_.After(random_.Jitter(2s, 0.95), [this, number, node, until] {
    const uint64_t token = mails_.at(number).upload.token;
    node->Resolve(token, [this, number, node, until](std::optional<absl::Status> verdict) {
      const bool open = !verdict || absl::IsUnknown(*verdict);
      if (open && scheduler_.now() < until) {
        AskAgain(number, node, until);
      } else {
        SenderHears(number, std::move(verdict));
      }
    });
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

// As many as are needed are bound: down, silent after a boot, or by a lease to the owner.
bool Simulation::HasLeases(int node, const SegmentId& segment) const {
  const cluster::SegmentRecord* record = nodes_[node]->KnownRecord(segment);
  if (record == nullptr) return false;
  uint32_t left = 0, bound = 0;
  for (NodeId holder : record->holders) {
    if (nodes_[node]->KnowsEvicted(holder)) continue;
    ++left;
    const SimNode& there = *nodes_[IndexOf(holder)];
    const bool gone = there.id() != holder;
    bound += holder == id(node) || gone || !there.IsFree(segment, record->epoch) ? 1 : 0;
  }
  return bound >= std::max(1u, std::min(left, cluster::WriteQuorum(*record)));
}

bool Simulation::Drained() const {
  if (open_mails_ > 0) return false;
  return std::all_of(nodes_.begin(), nodes_.end(),
                     [](const auto& node) { return node->disk().live().Empty(); });
}

SimulationResult Simulation::Run() {
  const Instant begin = scheduler_.now();
  for (auto& node : nodes_) node->Boot();
  const bool resident = topology_.regions > 2 && random_.OneIn(0.3);
  for (uint64_t number = 1; number <= options_.mails; ++number) {
    Mail& mail = mails_[number];
    mail.region = static_cast<int>(random_.Uniform(topology_.regions));
    mail.upload.legs = random_.OneIn(0.8) ? 1 : 2 + static_cast<uint32_t>(random_.Uniform(2));
    mail.upload.chunks = random_.OneIn(0.8) ? 1 : 2 + static_cast<uint32_t>(random_.Uniform(3));
    mail.upload.between_chunks = random_.Jitter(200ms, 1);
    if (resident && random_.OneIn(0.3)) mail.upload.regions = {"region-0", "region-1"};
    ++open_mails_;
    const Duration at = 2s + Duration(static_cast<int64_t>(random_.Uniform(kWindow.count())));
    scheduler_.After(at, [this, number] { Send(number); });
  }
  // The primary is down at first, so that mail gathers.
  const Duration primary_at = Duration(static_cast<int64_t>(random_.Uniform(kWindow.count())));
  scheduler_.After(primary_at, [this] { primary_.up = true; });
  for (const Fault& fault : DrawFaults(random_, options_.faults, size(), kWindow)) {
    if (fault.kind == FaultKind::kLyingDisk) nodes_[fault.node]->DistrustDisk();
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

SimulationResult Simulate(const SimulationOptions& options) { return Simulation(options).Run(); }

}  // namespace fermo::sim
