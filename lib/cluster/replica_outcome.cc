// Outcomes: learned, replicated, and the end of each message.
#include <algorithm>

#include "lib/cluster/attempt_codec.h"
#include "lib/cluster/replica.h"

namespace fermo::cluster {

// Joins an outcome into what we know: the greater wins. True if it is new.
bool Replica::Merge(Segment& segment, const spool::LegOutcome& outcome,
                    std::vector<spool::WriteOp>& ops) {
  if (outcome.outcome == spool::Outcome::kNone) return false;
  if (Contains(segment.finished, outcome.seq) || Contains(segment.aborted, outcome.seq)) {
    return false;
  }
  auto& legs = segment.outcomes[outcome.seq];
  auto known = legs.find(outcome.leg);
  if (known != legs.end()) {
    if (known->second.outcome != outcome.outcome) AddNote("outcome_conflict", segment);
    if (known->second.outcome >= outcome.outcome) return false;
  }
  legs[outcome.leg] = outcome;
  ops.push_back(spool::PutOutcome{segment.record.id, outcome});
  return true;
}

// From our own attempt (`from` ourselves) or from a peer. Durable here, then
// acknowledged; an owner distributes, anybody else passes it to the owner.
void Replica::LearnOutcomes(Segment& segment, const std::vector<spool::LegOutcome>& outcomes,
                            NodeId from) {
  if (outcomes.empty() || segment.closed) return;
  std::vector<spool::WriteOp> ops;
  std::vector<Seq> seqs;
  Outcomes news{segment.record.id, {}};
  for (const spool::LegOutcome& outcome : outcomes) {
    if (!Merge(segment, outcome, ops)) continue;
    news.outcomes.push_back(outcome);
    if (seqs.empty() || seqs.back() != outcome.seq) seqs.push_back(outcome.seq);
    if (segment.owner) {
      out_.push_back(LegsSettled{{segment.record.id, outcome.seq}, {outcome.leg}});
    }
  }
  if (news.outcomes.empty()) return;
  for (Seq seq : seqs) ++segment.storing[seq];
  WriteSynced(std::move(ops), OutcomesHere{segment.record.id, seqs});
  if (segment.owner) {
    for (const HolderView& view : segment.owner->holders) {
      if (view.node != from && peers_[view.node].data) Tell(view.node, news);
    }
  } else if (segment.record.owner != from && peers_[segment.record.owner].data) {
    Tell(segment.record.owner, std::move(news));
  }
}

// Outcomes that we learned and the owner may not have: sent again whenever the
// owner, or the way to it, is new.
void Replica::PassOnOutcomes(Segment& segment) {
  const NodeId owner = segment.record.owner;
  if (segment.owner || segment.closed || owner == options_.self || !peers_[owner].data) return;
  Outcomes known{segment.record.id, {}};
  for (const auto& [seq, legs] : segment.outcomes) {
    for (const auto& [leg, outcome] : legs) known.outcomes.push_back(outcome);
  }
  if (!known.outcomes.empty()) Tell(owner, std::move(known));
}

void Replica::Done(const OutcomesHere& done) {
  Segment* segment = FindSegment(done.segment);
  if (segment == nullptr) return;
  for (Seq seq : done.seqs) {
    auto storing = segment->storing.find(seq);
    if (storing != segment->storing.end() && --storing->second == 0) {
      segment->storing.erase(storing);
    }
  }
  if (!segment->owner) return;
  for (Seq seq : done.seqs) {
    // Before the message itself is here, nobody knows how many legs it has.
    if (!Contains(segment->held, seq)) continue;
    if (segment->AllOutcomesStored(seq)) segment->owner->done_here.add(seq.value());
  }
  MaybeFinish(*segment, done.seqs);
}

void Replica::Receive(NodeId from, const Outcomes& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr || segment->closed) return;
  LearnOutcomes(*segment, message.outcomes, from);
  std::vector<std::pair<Seq, uint32_t>> legs;
  for (const spool::LegOutcome& outcome : message.outcomes) {
    legs.emplace_back(outcome.seq, outcome.leg);
    // Of an earlier attempt, it may come behind the announcement for the other legs.
    const bool held = Contains(segment->held, outcome.seq);
    if (held && segment->AllOutcomesKnown(outcome.seq)) ForgetHeard(*segment, outcome.seq);
  }
  // Behind the write above, and behind any that is still queued.
  WriteSynced({}, OutcomesFor{from, message.segment, std::move(legs)});
}

void Replica::Done(const OutcomesFor& done) {
  Tell(done.peer, OutcomesStored{done.segment, done.legs}, true);
}

void Replica::NoteDone(HolderView& view, const Segment& segment, Seq seq, uint32_t leg) {
  const uint32_t legs = segment.ShapeOf(seq).legs;
  if (!Contains(segment.held, seq)) {
    view.legs_done[seq].insert(leg);  // counted once the message is here
    return;
  }
  if (legs == 1) {
    view.done.add(seq.value());
    return;
  }
  std::set<uint32_t>& known = view.legs_done[seq];
  known.insert(leg);
  if (known.size() < legs) return;
  view.legs_done.erase(seq);
  view.done.add(seq.value());
}

void Replica::Receive(NodeId from, const OutcomesStored& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr || !segment->owner) return;
  HolderView* view = segment->owner->Find(from);
  if (view == nullptr) return;
  std::vector<Seq> seqs;
  for (const auto& [seq, leg] : message.legs) {
    NoteDone(*view, *segment, seq, leg);
    seqs.push_back(seq);
  }
  MaybeFinish(*segment, seqs);
}

// Bodies go once W holders have every outcome on disk.
void Replica::MaybeFinish(Segment& segment, const std::vector<Seq>& seqs) {
  OwnerState& owner = *segment.owner;
  if (owner.repair && owner.repair->committing) return;  // once the new list stands
  Finish finish{segment.record.id, {}};
  std::vector<spool::WriteOp> ops;
  for (Seq seq : seqs) {
    if (!Contains(segment.held, seq) || !Contains(owner.done_here, seq)) continue;
    if (!segment.AllOutcomesKnown(seq)) continue;
    const uint32_t legs = segment.ShapeOf(seq).legs;
    uint32_t copies = segment.record.HasHolder(options_.self) ? 1 : 0;
    for (const HolderView& view : owner.holders) {
      if (view.role != HolderView::Role::kHolder) continue;
      auto known = view.legs_done.find(seq);
      const bool all = known != view.legs_done.end() && known->second.size() >= legs;
      copies += all || Contains(view.done, seq) ? 1 : 0;
    }
    if (copies < CopiesNeeded(segment.record)) continue;
    std::vector<spool::Outcome> outcomes;
    for (const auto& [leg, outcome] : segment.outcomes[seq]) outcomes.push_back(outcome.outcome);
    if (outcomes.size() == 1 && outcomes[0] == spool::Outcome::kDelivered) outcomes.clear();
    FinishHere(segment, seq, outcomes, ops);
    finish.messages.push_back({seq, std::move(outcomes)});
  }
  Write(std::move(ops));
  if (finish.messages.empty()) return;
  for (const HolderView& view : owner.holders) {
    if (peers_[view.node].data) Tell(view.node, finish);
  }
}

// The record becomes a mark; `outcomes` is empty for "one leg, delivered".
void Replica::FinishHere(Segment& segment, Seq seq, std::vector<spool::Outcome> outcomes,
                         std::vector<spool::WriteOp>& ops) {
  if (Contains(segment.finished, seq) || Contains(segment.aborted, seq)) return;
  spool::PutFinished op{{segment.record.id, seq}, 0, 0, outcomes};
  if (op.outcomes.empty()) op.outcomes = {spool::Outcome::kDelivered};
  // Also when our own write of it is still under way; absent chunks do no harm.
  const Shape shape = segment.ShapeOf(seq);
  op.body = shape.body;
  op.chunks = shape.chunks;
  ops.push_back(std::move(op));
  if (segment.owner || segment.heard.contains(seq)) {
    ops.push_back(spool::DeleteMeta{AttemptKey({segment.record.id, seq})});
  }
  segment.heard.erase(seq);
  segment.held.remove(seq.value());
  segment.shapes.erase(seq);
  segment.outcomes.erase(seq);
  segment.finished.add(seq.value());
  if (!outcomes.empty()) segment.odd[seq] = std::move(outcomes);
  if (!segment.owner) return;
  segment.owner->done_here.remove(seq.value());
  segment.owner->waits.erase(seq);
  for (HolderView& view : segment.owner->holders) view.legs_done.erase(seq);
}

void Replica::Receive(NodeId, const Finish& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr || segment->closed) return;
  std::vector<spool::WriteOp> ops;
  for (const FinishedMessage& finished : message.messages) {
    FinishHere(*segment, finished.seq, finished.outcomes, ops);
  }
  Write(std::move(ops));
}

}  // namespace fermo::cluster
