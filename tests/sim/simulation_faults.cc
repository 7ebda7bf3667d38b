// What goes wrong, what the operator does about it, and how all is healed.
#include "tests/sim/simulation_run.h"

namespace fermo::sim {

using namespace std::chrono_literals;

// The present configuration reaches every node that runs, sooner or later.
void Simulation::Publish() {
  if (coordinator_.gone) return;
  for (auto& node : nodes_) {
    SimNode* to = node.get();
    scheduler_.After(random_.Jitter(300ms, 0.99), [this, to] {
      if (coordinator_.gone) return;
      if (evicted(to->id())) {
        if (to->Running()) to->HearOfEvictions({to->id()});
      } else {
        to->Configure(coordinator_.snapshot());
      }
    });
  }
}

// A machine and its disk are gone: the operator evicts the node, and a new one
// starts in its place.
void Simulation::Wipe(int index, Duration until_replaced) {
  SimNode& node = *nodes_[index];
  const NodeId old = node.id();
  node.Wipe();
  scheduler_.After(random_.Jitter(3s, 0.9), [this, old] {
    history_.Add(scheduler_.now(), "the operator evicts {}", ToString(old));
    coordinator_.Evict(old);
  });
  scheduler_.After(until_replaced, [this, index] { nodes_[index]->Boot(); });
}

// Never fewer than the oracle judges by: the topology's copies for a 250.
void Simulation::Reconfigure(SimNode& node) {
  const uint32_t least = topology_.write_copies;
  const uint32_t copies =
      least + static_cast<uint32_t>(random_.Uniform(topology_.copies - least + 1));
  const uint32_t write = least + static_cast<uint32_t>(random_.Uniform(copies - least + 1));
  history_.Add(scheduler_.now(), "node's configuration: copies {}, for a 250 {}", copies, write);
  node.Reconfigure(copies, write);
}

// The operator gives up a node that nobody reaches; it is cut off, and comes back.
void Simulation::EvictAlive(const Fault& fault) {
  const NodeId old = nodes_[fault.node]->id();
  CutOff(fault.node, -1, 1);
  scheduler_.After(fault.span / 2, [this, old, index = fault.node] {
    if (lied_ || evicted_alive_ || nodes_[index]->id() != old) return;
    if (evicted(old) || oracle_.MayLose(index)) return;
    evicted_alive_ = true;
    history_.Add(scheduler_.now(), "the operator evicts {}, which runs", ToString(old));
    coordinator_.Evict(old);
  });
  scheduler_.After(fault.span, [this, index = fault.node] {
    if (!healing_) CutOff(index, -1, -1);
  });
  scheduler_.After(fault.span + random_.Jitter(15s, 0.9), [this, old, index = fault.node] {
    if (nodes_[index]->id() != old || !evicted(old)) return;
    nodes_[index]->Wipe();
    nodes_[index]->Boot();
  });
}

void Simulation::AwaitDrained(int index, NodeId id) {
  SimNode& node = *nodes_[index];
  if (node.id() != id) return;  // wiped meanwhile
  if (!node.IsSafeToRemove()) {
    scheduler_.After(1s, [this, index, id] { AwaitDrained(index, id); });
    return;
  }
  history_.Add(scheduler_.now(), "node {} says that it is safe to remove", index);
  Wipe(index, 2s);
}

// Whoever believes the node once it is not suspect any more can lose another.
void Simulation::AwaitTrusted(int index, NodeId id, int other) {
  const SimNode& node = *nodes_[index];
  if (healing_ || node.id() != id || other == index) return;
  if (!node.IsTrusted()) {
    scheduler_.After(1s, [this, index, id, other] { AwaitTrusted(index, id, other); });
    return;
  }
  history_.Add(scheduler_.now(), "node {} is trusted again", index);
  for (int next = 0; next < size(); ++next) {  // one whose copies are believed to be elsewhere
    if (next != index && oracle_.MayLose(next) && !oracle_.MayLose(next, index)) other = next;
  }
  if (!oracle_.MayLose(other, index)) Wipe(other, 2s);
}

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

// A node from all others but one (-1: from all), for `by` faults more or fewer.
void Simulation::CutOff(int node, int but, int by) {
  for (int other = 0; other < size(); ++other) {
    if (other == but) continue;
    Cut(node, other, by);
    Cut(other, node, by);
  }
}

// Who was told something is cut off as soon as it has heard it.
void Simulation::WordLeft(int told) {
  scheduler_.After(network_.longest_way(), [this, told] {
    if (healing_) return;
    history_.Add(scheduler_.now(), "node {} was told, and is cut off", told);
    CutOff(told, -1, 1);
    scheduler_.After(random_.Jitter(30s, 0.5), [this, told] {
      if (!healing_) CutOff(told, -1, -1);
    });
  });
}

// The cluster falls into two parts, and is whole again after the span.
void Simulation::Split(Duration span) {
  if (healing_) return;
  std::vector<bool> left;
  for (int i = 0; i < size(); ++i) left.push_back(random_.OneIn(0.5));
  history_.Add(scheduler_.now(), "SPLIT for {} ms", span / 1ms);
  const auto cut = [this, left](int by) {
    for (int a = 0; a < size(); ++a) {
      for (int b = 0; b < size(); ++b) {
        if (left[a] != left[b]) Cut(a, b, by);
      }
    }
  };
  cut(1);
  scheduler_.After(span, [this, cut] {
    if (!healing_) cut(-1);
  });
}

void Simulation::BeginLeaving(const Fault& fault) {
  const NodeId id = nodes_[fault.node]->id();
  if (fault.kind == FaultKind::kWipe && !oracle_.MayLose(fault.node)) {
    Wipe(fault.node, fault.span);
  } else if (fault.kind == FaultKind::kEvictAlive) {
    // Of one copy, what it accepts before it hears of that is lost.
    if (topology_.write_copies > 1) EvictAlive(fault);
  } else if (fault.kind == FaultKind::kDrain) {
    coordinator_.Drain(id);
    AwaitDrained(fault.node, id);
  }
}

// What happens to the fault's own node; whether that is all.
bool Simulation::BeginAtNode(const Fault& fault) {
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
    case FaultKind::kRestart:
      node.StopAccepting();
      break;
    case FaultKind::kReconfigure:
      node.StopAccepting();
      Reconfigure(node);
      break;
    case FaultKind::kWipe:
    case FaultKind::kEvictAlive:
    case FaultKind::kDrain:
      if (size() > 1) BeginLeaving(fault);
      break;
    case FaultKind::kLongAbsence:
      node.LosePower();
      break;
    case FaultKind::kLyingDisk:
      if (evicted_alive_ || oracle_.MayLose(fault.node)) {  // one too many
        node.LosePower();
        break;
      }
      lied_ = true;
      node.Lie();
      AwaitTrusted(fault.node, node.id(), fault.other);
      break;
    default:
      return false;
  }
  return true;
}

void Simulation::BeginAround(const Fault& fault) {
  switch (fault.kind) {
    case FaultKind::kIsolateWithCrash:
      if (fault.other != fault.node) {
        nodes_[fault.other]->Crash();
        nodes_[fault.other]->on_death();
      }
      CutPaths(fault, 1);
      break;
    case FaultKind::kCrashAtPromise:
      if (fault.other == fault.node) break;
      nodes_[fault.other]->Crash();
      nodes_[fault.node]->CrashAtNext(SimNode::Word::kPromise);
      break;
    case FaultKind::kCrashAtAcknowledgement:
      if (fault.other == fault.node) break;
      CutOff(fault.other, fault.node, 1);
      // Within a lease or two.
      scheduler_.After(random_.Jitter(8s, 1), [this, node = fault.node] {
        if (!healing_) nodes_[node]->CrashAtNext(SimNode::Word::kAcknowledgement);
      });
      break;
    case FaultKind::kCutOneWay:
    case FaultKind::kCutBothWays:
    case FaultKind::kIsolate:
      CutPaths(fault, 1);
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
    case FaultKind::kSplit:
      Split(fault.span);
      break;
    case FaultKind::kSplitAtProposal:
      nodes_[fault.node]->TellOfProposal();
      break;
    case FaultKind::kCoordinatorGone:
      coordinator_.gone = true;
      break;
    default:
      break;
  }
}

void Simulation::Begin(const Fault& fault) {
  if (healing_) return;
  history_.Add(scheduler_.now(), "FAULT {} at node {} (other {}) for {} ms", ToString(fault.kind),
               fault.node, fault.other, fault.span / 1ms);
  if (!BeginAtNode(fault)) BeginAround(fault);
  if (!healing_) scheduler_.After(fault.span, [this, fault] { End(fault); });
}

void Simulation::End(const Fault& fault) {
  SimNode& node = *nodes_[fault.node];
  switch (fault.kind) {
    case FaultKind::kCrash:
    case FaultKind::kPower:
    case FaultKind::kLongAbsence:
    case FaultKind::kLyingDisk:
      node.Boot();
      break;
    case FaultKind::kRegion:
      for (auto& other : nodes_) {
        if (other->region() == node.region()) other->Boot();
      }
      break;
    case FaultKind::kCrashAtPromise:
      if (fault.other != fault.node) nodes_[fault.other]->Boot();
      break;
    case FaultKind::kCrashAtAcknowledgement:
      if (fault.other != fault.node && !healing_) CutOff(fault.other, fault.node, -1);
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
    case FaultKind::kReconfigure:
      node.Crash();
      node.Boot();
      break;
    case FaultKind::kCoordinatorGone:
      coordinator_.gone = false;
      Publish();
      break;
    case FaultKind::kStall:
    case FaultKind::kStallBeforeDot:
    case FaultKind::kSplit:
    case FaultKind::kSplitAtProposal:
    case FaultKind::kWipe:
    case FaultKind::kEvictAlive:
    case FaultKind::kDrain:
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
  coordinator_.gone = false;
  primary_ = SimPrimary{};
  primary_.up = true;
  for (auto& node : nodes_) {
    node->Disarm();
    node->FillDisk(false);
    node->SlowDisk(1ms);
    node->Boot();
  }
  Publish();
}

}  // namespace fermo::sim
