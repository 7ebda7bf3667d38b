// The end of a segment: closed with the lists of what it held, then forgotten
// once every holder has confirmed.
#include <algorithm>
#include <utility>

#include "lib/cluster/attempt_codec.h"
#include "lib/cluster/replica.h"

namespace fermo::cluster {
namespace {

constexpr auto kCloseTimeout = std::chrono::seconds(5);

}  // namespace

// --- The owner

void Replica::TickClose(Segment& segment) {
  if (segment.closed) {
    TickCloser(segment);
    return;
  }
  if (!segment.owner || !segment.record.sealed) return;
  OwnerState& owner = *segment.owner;
  owner.wanted -= segment.held | segment.finished | segment.aborted;
  SeqSet somewhere;  // mail that only an evicted node had counts for nothing
  for (const HolderView& view : owner.holders) somewhere |= view.has;
  owner.wanted &= somewhere;
  if (owner.repair && owner.repair->committing) return;
  const bool idle = segment.held.isEmpty() && owner.wanted.isEmpty() && owner.attempts.empty() &&
                    (!segment.writer || segment.writer->pending.empty());
  const bool all_compared =
      std::all_of(owner.holders.begin(), owner.holders.end(), [](const HolderView& view) {
        return view.synced || view.role == HolderView::Role::kJoining;
      });
  if (owner.close_sent && now_ - owner.close_sent_at >= kCloseTimeout) owner.close_sent = false;
  if (!idle || !all_compared || owner.close_sent) return;
  if (owner.repair) GiveUpRepair(segment, "repair_not_needed");
  owner.close_sent = true;
  owner.close_sent_at = now_;
  for (const HolderView& view : owner.holders) {
    if (!view.closed) {
      Tell(view.node, Close{segment.record, segment.finished, segment.aborted});
    }
  }
  MaybeCloseHere(segment);
}

void Replica::MaybeCloseHere(Segment& segment) {
  const OwnerState& owner = *segment.owner;
  const bool all = std::all_of(owner.holders.begin(), owner.holders.end(),
                               [](const HolderView& view) { return view.closed; });
  if (!all || !segment.held.isEmpty()) return;
  CloseHere(segment, segment.finished, segment.aborted, ClosedHere{segment.record.id});
}

void Replica::Receive(NodeId from, const CloseAnswer& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr) return;
  if (segment->closed) {
    // With mail that our list lacks it is not closed, and delivers that itself.
    if (!segment->closer || !message.missing.isEmpty()) return;
    segment->closer->closed.insert(from);
    MaybeForget(*segment);
    return;
  }
  if (!segment->owner) return;
  OwnerState& owner = *segment->owner;
  HolderView* view = owner.Find(from);
  if (view == nullptr || view->closed) return;
  if (!message.missing.isEmpty()) {
    // It has mail that we never saw: that mail is live.
    owner.close_sent = false;
    SeqSet wanted = message.missing - segment->finished - segment->aborted;
    owner.wanted |= wanted;
    if (!wanted.isEmpty()) Tell(from, Fetch{message.segment, wanted});
    AddNote("close_refused", *segment, from, message.missing.cardinality());
    return;
  }
  view->closed = true;
  MaybeCloseHere(*segment);
}

// The lists replace everything that was stored of the segment. By value: they may
// be the segment's own, and a bitmap that is assigned to itself is empty.
void Replica::CloseHere(Segment& segment, SeqSet finished, SeqSet aborted, Continuation then) {
  segment.closed = true;
  segment.claim.reset();
  segment.record.sealed = true;
  segment.finished = std::move(finished);
  segment.aborted = std::move(aborted);
  segment.held = SeqSet();
  segment.odd.clear();
  segment.shapes.clear();
  segment.outcomes.clear();
  std::vector<spool::WriteOp> ops;
  for (const auto& [seq, heard] : segment.heard) {
    ops.push_back(spool::DeleteMeta{AttemptKey({segment.record.id, seq})});
  }
  segment.heard.clear();
  ops.push_back(spool::DeleteSegment{segment.record.id});
  SaveSegment(segment, ops);
  WriteSynced(std::move(ops), std::move(then));
}

void Replica::Done(const ClosedHere& done) {
  Segment* segment = FindSegment(done.segment);
  if (segment == nullptr || !segment->owner) return;
  segment->closed_stored = true;
  AddNote("segment_closed", *segment, {}, segment->finished.cardinality());
  segment->owner.reset();
  out_.push_back(SegmentLost{done.segment});
  segment->closer = std::make_unique<CloserState>();
  for (NodeId node : segment->record.Everybody()) segment->closer->closed.insert(node);
  MaybeForget(*segment);
}

// --- The closer: any holder whose own copy is closed. Closing states
// knowledge, not ownership, so there may be several at a time.

void Replica::TickCloser(Segment& segment) {
  if (!segment.closed_stored) return;
  if (!segment.closer) {
    // Closed for an owner who has not told us to forget it, and is silent.
    if (segment.owner || segment.lease_until > now_ || silent_until_ > now_) return;
    segment.closer = std::make_unique<CloserState>();
    const auto& holders = segment.record.holders;
    const auto rank = std::find(holders.begin(), holders.end(), options_.self) - holders.begin();
    segment.closer->next = now_ + options_.claim_stagger * rank;
  }
  if (now_ < segment.closer->next) return;
  segment.closer->next = now_ + kCloseTimeout;
  segment.closer->forget_sent = false;
  for (NodeId node : segment.record.Everybody()) {
    if (node == options_.self || segment.closer->closed.contains(node)) continue;
    if (!IsEvicted(node)) Tell(node, Close{segment.record, segment.finished, segment.aborted});
  }
  MaybeForget(segment);
}

// Once everybody that has or ever had copies is closed, or evicted, nobody can
// bring a message back: all drop their records, and ours goes last.
void Replica::MaybeForget(Segment& segment) {
  CloserState& closer = *segment.closer;
  const SegmentId id = segment.record.id;
  const auto in = [this](const std::set<NodeId>& nodes) {
    return [this, &nodes](NodeId node) {
      return node == options_.self || IsEvicted(node) || nodes.contains(node);
    };
  };
  const std::vector<NodeId> holders = segment.record.Everybody();
  if (!std::all_of(holders.begin(), holders.end(), in(closer.closed))) return;
  if (std::all_of(holders.begin(), holders.end(), in(closer.forgotten))) {
    Write({spool::DeleteSegment{id}});
    forgotten_[id] = now_;
    NoLongerOpen(id);
    segments_.erase(id);
    return;
  }
  if (closer.forget_sent) return;  // again at the next tick that is due
  closer.forget_sent = true;
  for (NodeId holder : holders) {
    if (holder == options_.self || IsEvicted(holder)) continue;
    if (!closer.forgotten.contains(holder)) Tell(holder, Forget{id});
  }
}

void Replica::Receive(NodeId from, const Forgotten& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr || !segment->closed || !segment->closer) return;
  segment->closer->forgotten.insert(from);
  MaybeForget(*segment);
}

// --- The holder

void Replica::Receive(NodeId from, const Close& message) {
  const SegmentId& id = message.segment.id;
  // A holder that never heard of it closes it, too: a late frame could bring
  // it to life otherwise.
  Segment* segment = Adopt(message.segment);
  if (segment == nullptr || segment->closed) {
    // Behind the write that closed it, or that forgot it.
    WriteSynced({}, ClosedFor{from, id});
    return;
  }
  SeqSet missing = segment->held - message.finished - message.aborted;
  if (segment->owner) return;  // we close it ourselves, or learn that we lost it
  if (!missing.isEmpty()) {
    Tell(from, CloseAnswer{id, missing}, true);
    return;
  }
  CloseHere(*segment, message.finished, message.aborted, ClosedFor{from, id, true});
}

void Replica::Done(const ClosedFor& done) {
  Segment* segment = FindSegment(done.segment);
  if (segment != nullptr && done.by_this_write) segment->closed_stored = true;
  Tell(done.peer, CloseAnswer{done.segment, {}}, true);
}

void Replica::Receive(NodeId from, const Forget& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment != nullptr && !segment->closed) return;
  forgotten_[message.segment] = now_;
  std::vector<spool::WriteOp> ops;
  if (segment != nullptr) {
    NoLongerOpen(message.segment);
    segments_.erase(message.segment);
    ops.push_back(spool::DeleteSegment{message.segment});
  }
  // Also when an earlier call has asked for the same: behind that write.
  WriteSynced(std::move(ops), ForgottenFor{from, message.segment});
}

void Replica::Done(const ForgottenFor& done) { Tell(done.peer, Forgotten{done.segment}, true); }

}  // namespace fermo::cluster
