// What the oracle and a reader of the history see of a node.
#include <algorithm>

#include "fmt/format.h"
#include "tests/sim/sim_node.h"

namespace fermo::sim {

std::string SimNode::Describe() const {
  std::string text = fmt::format("node {}: {}", settings_.index, Running() ? "runs" : "is down");
  for (const auto& [id, stored] : disk_.live().segments()) {
    text += fmt::format("\n    {}", ToString(id));
    const cluster::Segment* segment = Running() ? replica_->Find(id) : nullptr;
    if (segment == nullptr) {
      text += " on disk only";
      continue;
    }
    text += fmt::format(
        " epoch {} of node {}{}{}, promised {} to {}, holds {}, aborted {}, finished {}",
        segment->record.epoch.value(), IndexOf(segment->record.owner),
        segment->record.sealed ? ", sealed" : "", segment->closed ? ", closed" : "",
        segment->promised.value(),
        segment->promised == Epoch() ? -1 : IndexOf(segment->promised_to), segment->held.toString(),
        segment->aborted.cardinality(), segment->finished.cardinality());
    const auto list = [&text](std::string_view name, const std::vector<NodeId>& nodes) {
      text += fmt::format(", {}", name);
      for (NodeId node : nodes) text += fmt::format(" {}", ToString(node).substr(13));
    };
    list("holders", segment->record.holders);
    list("next", segment->record.next_holders);
    list("former", segment->record.former_holders);
    if (segment->suspect) text += ", suspect";
    if (!segment->owner) continue;
    text += fmt::format(", OWNER: wants {}, attempts {}, leases {}",
                        segment->owner->wanted.toString(), segment->owner->attempts.size(),
                        replica_->MayStart(id, Local()) ? "yes" : "no");
    for (const cluster::HolderView& view : segment->owner->holders) {
      text += fmt::format(", node {}{}{}{} lacks {}", IndexOf(view.node),
                          view.synced ? " synced" : "", view.syncing ? " syncing" : "",
                          view.closed ? " closed" : "", (segment->held - view.has).cardinality());
    }
  }
  return text;
}

const cluster::SegmentRecord* SimNode::KnownRecord(const SegmentId& id) const {
  const cluster::Segment* segment = Running() ? replica_->Find(id) : nullptr;
  return segment == nullptr ? nullptr : &segment->record;
}

bool SimNode::KnowsEvicted(NodeId node) const {
  const auto& evicted = snapshot_.evicted;
  return std::find(evicted.begin(), evicted.end(), node) != evicted.end();
}

bool SimNode::IsFree(const SegmentId& id, Epoch epoch) const {
  if (!Answering()) return false;
  const cluster::Segment* segment = replica_->Find(id);
  const bool silent = boot_ > 1 && Local() - booted_at_ < settings_.replica.lease;
  if (segment == nullptr) return !silent;
  if (segment->closed) return false;
  const bool leased = segment->lease_until > Local() && segment->record.epoch <= epoch;
  return !silent && !leased;
}

bool SimNode::Owns(const SegmentId& id, Epoch at_least) const {
  const cluster::Segment* segment = Running() ? replica_->Find(id) : nullptr;
  return segment != nullptr && segment->owner && segment->record.epoch >= at_least &&
         replica_->MayStart(id, Local());
}

}  // namespace fermo::sim
