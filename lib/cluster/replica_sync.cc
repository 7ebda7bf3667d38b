// Comparing inventories: what the owner has and a holder lacks, and the
// reverse. Runs whenever a holder's data stream comes up, and after a claim.
#include <algorithm>

#include "lib/cluster/replica.h"

namespace fermo::cluster {
namespace {

constexpr size_t kPerMessage = 1024;  // entries: larger lists go in several messages
constexpr auto kCompareAgain = std::chrono::seconds(10);

}  // namespace

void Replica::StartSync(Segment& segment, HolderView& view) {
  if (!peers_[view.node].data) {
    view.synced = false;
    return;
  }
  view.syncing = true;
  view.asked_at = now_;
  const bool trusted = view.suspect && !segment.suspect && HasAll(segment, view) &&
                       ComparedEnough(segment, view.node);
  view.synced = false;
  Tell(view.node, InventoryRequest{RecordFor(segment, view), trusted});
}

// The record that tells the node what part it has.
SegmentRecord Replica::RecordFor(const Segment& segment, const HolderView& view) const {
  SegmentRecord record = segment.record;
  if (view.role == HolderView::Role::kJoining && segment.owner->repair) {
    record.next_holders = segment.owner->repair->holders;
    record.next_epoch = Epoch();
  }
  return record;
}

// A copy that was sent may have been dropped without a broken stream: its
// receiver was short of room. Whatever is still missing after a while is
// compared, and sent, again.
void Replica::TickSync(Segment& segment) {
  if (!segment.owner || segment.closed) return;
  const SeqSet& wanted = segment.owner->wanted;
  for (HolderView& view : segment.owner->holders) {
    SeqSet missing = wanted & view.has;
    if (view.role != HolderView::Role::kFormer) missing |= segment.held - view.has;
    // Who told us an outcome is not told it, and so never says that it is on its
    // disk: of two holders none other could.
    if (view.role == HolderView::Role::kHolder) missing |= segment.owner->done_here - view.done;
    if (!view.synced || missing.isEmpty()) {
      view.first_lacking.reset();
    } else if (view.first_lacking != missing.minimum()) {
      view.first_lacking = missing.minimum();
      view.lacking_since = now_;
    } else if (now_ - view.lacking_since >= kCompareAgain) {
      view.first_lacking.reset();
      StartSync(segment, view);
    }
  }
}

Inventory Replica::MakeInventory(const Segment& segment) const {
  Inventory inventory;
  inventory.segment = segment.record.id;
  inventory.closed = segment.closed_stored;
  inventory.suspect = segment.suspect;
  inventory.held = segment.held;
  inventory.aborted = segment.aborted;
  inventory.finished = segment.finished;
  for (const auto& [seq, outcomes] : segment.odd) inventory.odd.push_back({seq, outcomes});
  for (const auto& [seq, legs] : segment.outcomes) {
    if (segment.storing.contains(seq)) continue;  // told when it is on disk
    for (const auto& [leg, outcome] : legs) inventory.outcomes.push_back(outcome);
  }
  return inventory;
}

void Replica::Receive(NodeId from, const InventoryRequest& message) {
  if (WasForgotten(message.segment.id)) {
    Inventory closed;
    closed.segment = message.segment.id;
    closed.closed = true;
    Tell(from, std::move(closed), true);
    return;
  }
  Segment* segment = Adopt(message.segment);
  if (segment == nullptr) {  // a former holder that has nothing of it
    Inventory none;
    none.segment = message.segment.id;
    none.closed = true;
    Tell(from, std::move(none), true);
    return;
  }
  AdoptNewer(*segment, message.segment);
  const bool owns = segment->record.owner == from && segment->promised <= message.segment.epoch;
  if (message.trusted && owns) segment->suspect = false;
  if (!segment->record.HasHolder(options_.self) && message.segment.epoch == segment->record.epoch &&
      segment->record.next_epoch == Epoch()) {
    segment->record.next_holders = message.segment.next_holders;  // we are to join, or no longer
  }
  if (!segment->stored) {  // marks may come before the first copy
    std::vector<spool::WriteOp> ops;
    SaveSegment(*segment, ops);
    Write(std::move(ops));
  }
  Tell(from, MakeInventory(*segment), true);
}

void Replica::Receive(NodeId from, const Inventory& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr || !segment->owner) return;
  HolderView* view = segment->owner->Find(from);
  if (view == nullptr || !view->syncing) return;
  view->syncing = false;
  view->synced = true;
  if (view->role == HolderView::Role::kJoining) {  // it may have dropped what it had
    view->has = view->done = SeqSet();
    view->legs_done.clear();
  }
  MergeInventory(*segment, *view, message);
  SendWhatLacks(*segment, *view, message);
}

// Takes what the holder knows and we don't. Facts only grow, so the order of
// merges does not matter.
void Replica::MergeInventory(Segment& segment, HolderView& view, const Inventory& inventory) {
  if (segment.closed) return;
  view.suspect = inventory.suspect;
  if (view.suspect) {  // it may have lost what it had
    view.has = view.done = SeqSet();
    view.legs_done.clear();
  }
  view.has |= inventory.held | inventory.finished | inventory.aborted;
  // Finished here and aborted there: it is over there, too.
  view.done |= inventory.finished | (inventory.aborted & segment.finished);
  view.closed = inventory.closed;
  std::map<Seq, std::vector<spool::Outcome>> odd;
  for (const FinishedMessage& message : inventory.odd) odd[message.seq] = message.outcomes;
  std::vector<spool::WriteOp> ops;
  for (uint32_t seq : inventory.aborted - segment.aborted) RecordAbort(segment, Seq(seq), ops);
  for (uint32_t raw : inventory.finished - segment.finished) {
    const Seq seq(raw);
    auto it = odd.find(seq);
    FinishHere(segment, seq, it == odd.end() ? std::vector<spool::Outcome>{} : it->second, ops);
    SettleAll({segment.record.id, seq});
  }
  Write(std::move(ops));
  LearnOutcomes(segment, inventory.outcomes, view.node);
  for (const spool::LegOutcome& outcome : inventory.outcomes) {
    NoteDone(view, segment, outcome.seq, outcome.leg);
  }
  // Presumed commit: what any holder has and nobody aborted is mail.
  SeqSet missing = inventory.held - segment.held - segment.finished - segment.aborted;
  if (segment.writer) {
    for (const auto& [seq, pending] : segment.writer->pending) missing.remove(seq.value());
  }
  segment.owner->wanted |= missing;
  if (!missing.isEmpty()) Tell(view.node, Fetch{segment.record.id, missing});
  if (segment.writer) {
    for (uint32_t seq : inventory.held) Acknowledge(segment, Seq(seq), view.node);
  }
}

// Gives the holder what it lacks.
void Replica::SendWhatLacks(Segment& segment, HolderView& view, const Inventory& inventory) {
  if (inventory.closed) return;
  const SegmentId& id = segment.record.id;
  // Of what came and ended while it was away a holder needs no mark, unless it is
  // to make up for one that leaves.
  const bool lacks_all =
      view.role == HolderView::Role::kJoining || view.suspect || segment.owner->repair != nullptr;
  if (view.role != HolderView::Role::kFormer) {
    SeqSet copies = segment.held - view.has;
    if (!copies.isEmpty()) {
      out_.push_back(SendCopies{view.node, RecordFor(segment, view), std::move(copies)});
    }
  }
  // Of an abort it may never have heard: the stream was down when it was told.
  SeqSet aborts = segment.aborted - inventory.aborted;
  if (!aborts.isEmpty()) Tell(view.node, Abort{id, aborts});
  Outcomes outcomes{id, {}};
  for (const auto& [seq, legs] : segment.outcomes) {
    for (const auto& [leg, outcome] : legs) outcomes.outcomes.push_back(outcome);
    if (outcomes.outcomes.size() >= kPerMessage) {
      Tell(view.node, std::exchange(outcomes, Outcomes{id, {}}));
    }
  }
  if (!outcomes.outcomes.empty()) Tell(view.node, std::move(outcomes));
  Finish finish{id, {}};
  // A holder lost nothing that it was told; who joins, or is suspect, is told of all.
  const SeqSet finished =
      lacks_all ? segment.finished - inventory.finished : segment.finished & inventory.held;
  for (uint32_t seq : finished) {
    auto odd = segment.odd.find(Seq(seq));
    finish.messages.push_back(
        {Seq(seq), odd == segment.odd.end() ? std::vector<spool::Outcome>{} : odd->second});
    if (finish.messages.size() >= kPerMessage) {
      Tell(view.node, std::exchange(finish, Finish{id, {}}));
    }
  }
  if (!finish.messages.empty()) Tell(view.node, std::move(finish));
}

void Replica::Receive(NodeId from, const Fetch& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr) return;
  SeqSet copies = message.seqs & segment->held;
  if (segment->writer) {
    for (uint32_t seq : message.seqs - segment->held) {
      if (segment->writer->pending.contains(Seq(seq))) {
        segment->writer->wanted[Seq(seq)].push_back(from);
      }
    }
  }
  if (!copies.isEmpty()) out_.push_back(SendCopies{from, segment->record, copies});
}

// Hands messages that we own and hold to delivery, with what they wait for.
void Replica::Offer(Segment& segment, const std::vector<Seq>& seqs) {
  TakeOver offer{segment.record.id, {}};
  for (Seq seq : seqs) {
    if (!Contains(segment.held, seq) || segment.AllOutcomesKnown(seq)) continue;
    // Our own attempt of an earlier ownership has not ended yet; then.
    if (segment.flying.contains(seq)) continue;
    OwnedMessage message{seq, segment.owner->all_wait_until, {}};
    auto wait = segment.owner->waits.find(seq);
    if (wait != segment.owner->waits.end()) {
      message.not_before = std::max(message.not_before, now_ + wait->second.wait);
    }
    auto known = segment.outcomes.find(seq);
    if (known != segment.outcomes.end()) {
      for (const auto& [leg, outcome] : known->second) message.done_legs.push_back(leg);
    }
    offer.messages.push_back(std::move(message));
  }
  if (!offer.messages.empty()) out_.push_back(std::move(offer));
}

}  // namespace fermo::cluster
