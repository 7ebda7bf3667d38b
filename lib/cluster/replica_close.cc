// The end of a segment: closed with the lists of what it held, then forgotten
// once every holder has confirmed.
#include <algorithm>

#include "lib/cluster/attempt_codec.h"
#include "lib/cluster/replica.h"

namespace fermo::cluster {
namespace {

constexpr auto kCloseTimeout = std::chrono::seconds(5);
// Late heartbeats of a forgotten segment are ignored for so long.
constexpr auto kRememberForgotten = std::chrono::minutes(1);

}  // namespace

// --- The owner

void Replica::TickClose(Segment& segment) {
  if (!segment.owner || !segment.record.sealed) return;
  OwnerState& owner = *segment.owner;
  if (owner.closed_here) {
    MaybeForget(segment);
    return;
  }
  owner.wanted -= segment.held | segment.finished | segment.aborted;
  const bool idle = segment.held.isEmpty() && owner.wanted.isEmpty() && owner.attempts.empty() &&
                    (!segment.writer || segment.writer->pending.empty());
  const bool all_compared = std::all_of(owner.holders.begin(), owner.holders.end(),
                                        [](const HolderView& view) { return view.synced; });
  if (owner.close_sent && now_ - owner.close_sent_at >= kCloseTimeout) owner.close_sent = false;
  if (!idle || !all_compared || owner.close_sent) return;
  owner.close_sent = true;
  owner.close_sent_at = now_;
  for (const HolderView& view : owner.holders) {
    if (!view.closed) {
      Tell(view.node, Close{segment.record.id, segment.finished, segment.aborted});
    }
  }
  MaybeCloseHere(segment);
}

// A claimant may find its own copy closed already; then the others confirm
// once more before anybody forgets.
void Replica::MaybeCloseHere(Segment& segment) {
  const OwnerState& owner = *segment.owner;
  const bool all = std::all_of(owner.holders.begin(), owner.holders.end(),
                               [](const HolderView& view) { return view.closed; });
  if (!all || !segment.held.isEmpty()) return;
  CloseHere(segment, segment.finished, segment.aborted, ClosedHere{segment.record.id});
}

void Replica::Receive(NodeId from, const CloseAnswer& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr || !segment->owner || segment->owner->closed_here) return;
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

// The lists replace everything that was stored of the segment.
void Replica::CloseHere(Segment& segment, const SeqSet& finished, const SeqSet& aborted,
                        Continuation then) {
  segment.closed = true;
  segment.record.sealed = true;
  segment.finished = finished;
  segment.aborted = aborted;
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
  segment->owner->closed_here = true;
  AddNote("segment_closed", *segment, {}, segment->finished.cardinality());
  out_.push_back(SegmentLost{done.segment});
  for (const HolderView& view : segment->owner->holders) Tell(view.node, Forget{done.segment});
  segment->owner->close_sent_at = now_;
  MaybeForget(*segment);
}

void Replica::Receive(NodeId from, const Forgotten& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr || !segment->owner || !segment->closed) return;
  if (HolderView* view = segment->owner->Find(from)) view->forgotten = true;
  MaybeForget(*segment);
}

// Our own record goes last, when every holder has dropped its own.
void Replica::MaybeForget(Segment& segment) {
  OwnerState& owner = *segment.owner;
  if (!owner.closed_here) return;
  const SegmentId id = segment.record.id;
  bool all = true;
  for (const HolderView& view : owner.holders) all = all && view.forgotten;
  if (!all) {
    if (now_ - owner.close_sent_at < kCloseTimeout) return;
    owner.close_sent_at = now_;
    for (const HolderView& view : owner.holders) {
      if (!view.forgotten && peers_[view.node].data) Tell(view.node, Forget{id});
    }
    return;
  }
  Write({spool::DeleteSegment{id}});
  forgotten_[id] = now_ + kRememberForgotten;
  if (open_ == id) open_ = SegmentId{};
  segments_.erase(id);
}

// --- The holder

void Replica::Receive(NodeId from, const Close& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr || segment->closed) {
    Tell(from, CloseAnswer{message.segment, {}}, true);
    return;
  }
  SeqSet missing = segment->held - message.finished - message.aborted;
  if (segment->owner) return;  // we close it ourselves, or learn that we lost it
  if (!missing.isEmpty()) {
    Tell(from, CloseAnswer{message.segment, missing}, true);
    return;
  }
  CloseHere(*segment, message.finished, message.aborted, ClosedFor{from, message.segment});
}

void Replica::Done(const ClosedFor& done) { Tell(done.peer, CloseAnswer{done.segment, {}}, true); }

void Replica::Receive(NodeId from, const Forget& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment != nullptr && (!segment->closed || segment->owner)) return;
  forgotten_[message.segment] = now_ + kRememberForgotten;
  if (segment != nullptr) {
    segments_.erase(message.segment);
    WriteSynced({spool::DeleteSegment{message.segment}}, ForgottenFor{from, message.segment});
    return;
  }
  Tell(from, Forgotten{message.segment}, true);
}

void Replica::Done(const ForgottenFor& done) { Tell(done.peer, Forgotten{done.segment}, true); }

}  // namespace fermo::cluster
