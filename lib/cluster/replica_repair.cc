// Repair: a new list of holders in place of one with a holder that is gone,
// evicted or to leave (design section 4). The owner gives the nodes that join
// all there is of a sealed segment, then commits the list by a claim at a new
// epoch that a quorum of either list promises.
#include <algorithm>

#include "lib/cluster/attempt_codec.h"
#include "lib/cluster/replica.h"

namespace fermo::cluster {
namespace {

// Delivery stands still for at most so long; then the list is given up, and
// tried again later.
constexpr auto kWaitToCommit = std::chrono::seconds(3);
constexpr auto kWaitForPromises = std::chrono::seconds(8);
constexpr auto kTryAgain = std::chrono::seconds(30);

bool SameNodes(std::vector<NodeId> a, std::vector<NodeId> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

}  // namespace

bool Replica::IsGone(NodeId node) const {
  if (IsLive(node, now_)) return false;
  const auto peer = peers_.find(node);
  Instant heard = started_;
  if (peer != peers_.end()) {
    heard = std::max({heard, peer->second.down_since, peer->second.last_heard.value_or(started_)});
  }
  return now_ - heard >= options_.repair_after;
}

// The list that the segment should have, unless it has it or nothing better can
// be had now. Copies never end in fewer regions than they must be in, but for
// those that an eviction has left so.
std::optional<std::vector<NodeId>> Replica::BetterList(const Segment& segment) const {
  const SegmentRecord& record = segment.record;
  const auto live = [this](NodeId node) { return IsLive(node, now_); };
  const auto fit = [&](NodeId node) {
    const auto unfit = segment.owner->unfit.find(node);
    return KeepsUp(node) && (unfit == segment.owner->unfit.end() || unfit->second <= now_);
  };
  const PlacementRules rules = Rules(record.regions);
  const auto without = [&](const auto& leaves) {
    std::vector<NodeId> kept = record.holders;
    std::erase_if(kept, leaves);
    auto list = FillHolders(record.id, snapshot_, rules, kept, record.holders, fit);
    if (list.size() >= rules.copies) return list;
    return FillHolders(record.id, snapshot_, rules, std::move(kept), record.holders, live);
  };
  const auto leaving = [this](NodeId node) { return IsEvicted(node) || IsDraining(node); };
  const auto gone = [&](NodeId node) { return leaving(node) || IsGone(node); };
  const auto evicted = [this](NodeId node) { return IsEvicted(node); };
  const auto good = [&](const std::vector<NodeId>& list) {
    return list.size() >= WriteQuorum(record) && Regions(list) >= record.min_regions;
  };
  std::vector<NodeId> list = without(gone);
  // Only a new node may take the place of one that is merely away.
  if (!good(list) || list.size() < record.holders.size()) list = without(leaving);
  if (!good(list)) {
    list = without(evicted);
    if (list.size() <= Left(record.holders)) return std::nullopt;  // no new node
  }
  if (SameNodes(list, record.holders)) return std::nullopt;
  // Both lists have to promise it.
  for (const std::vector<NodeId>* either : {&record.holders, &std::as_const(list)}) {
    const auto there = std::count_if(either->begin(), either->end(), live);
    if (there < PromisesNeeded(record, *either)) return std::nullopt;
  }
  return list;
}

uint32_t Replica::RepairsUnderWay() const {
  uint32_t count = 0;
  for (const auto& [id, segment] : segments_) {
    if (segment.owner && segment.owner->repair && !segment.owner->repair->waiting) ++count;
  }
  return count;
}

void Replica::MaybeStartRepair(Segment& segment) {
  OwnerState& owner = *segment.owner;
  const bool pending = segment.writer && !segment.writer->pending.empty();
  if (now_ < owner.next_repair || segment.claim || pending || owner.close_sent) return;
  owner.next_repair = now_ + random_.Jitter(options_.repair_every, 0.5);
  // With what the others have and we lack, the new node would lack it, too.
  if (!HoldsLeases(segment, now_) || !(owner.wanted - segment.held).isEmpty()) return;
  auto list = BetterList(segment);
  if (list && !HasSuspect(segment, *list) && RepairsUnderWay() < options_.repairs_at_once) {
    StartRepair(segment, *std::move(list));
  }
}

// As many, and in as many regions, as a 250 needs, or as the list has: who stays may
// lack what those have who leave.
bool Replica::AreEnough(const SegmentRecord& record, const std::vector<NodeId>& whole,
                        const std::vector<NodeId>& list) const {
  const uint32_t copies = std::min(WriteQuorum(record), std::max(1u, Left(list)));
  std::vector<NodeId> left = list;
  std::erase_if(left, [this](NodeId node) { return IsEvicted(node); });
  return whole.size() >= copies && Regions(whole) >= std::min(record.min_regions, Regions(left));
}

void Replica::TickRepair(Segment& segment) {
  if (!segment.owner || segment.closed || !segment.record.sealed || !SyncHealthy(now_)) return;
  OwnerState& owner = *segment.owner;
  if (!owner.repair) {
    MaybeStartRepair(segment);
    return;
  }
  RepairState& repair = *owner.repair;
  if (HasSuspect(segment, repair.holders) && !repair.committing) {
    GiveUpRepair(segment, "repair_waits_for_a_suspect");
    return;
  }
  const auto lost = [this](NodeId node) { return IsEvicted(node) || !IsLive(node, now_); };
  if (!repair.committing && Left(repair.holders) < repair.holders.size()) {
    GiveUpRepair(segment, "repair_lost_a_node");
    return;
  }
  bool complete = true;
  const auto stays = [&repair](NodeId node) {
    return std::find(repair.holders.begin(), repair.holders.end(), node) != repair.holders.end();
  };
  std::vector<NodeId> whole;
  if (stays(options_.self)) whole.push_back(options_.self);
  for (HolderView& view : owner.holders) {
    if (view.role == HolderView::Role::kFormer || !stays(view.node)) continue;
    const bool joins = view.role == HolderView::Role::kJoining;
    if (joins && lost(view.node)) {
      GiveUpRepair(segment, "repair_lost_a_node");
      return;
    }
    if (HasAll(segment, view) && !view.suspect) {
      whole.push_back(view.node);
      // Who joins keeps copies only as long as it is told that it is to.
      const bool named = now_ - view.asked_at < options_.guest_patience / 2;
      if (joins && repair.waiting && !named) StartSync(segment, view);
      continue;
    }
    if (joins) complete = false;
    // Marks are not acknowledged: it is asked once more when it has every copy.
    const bool copied = view.synced && (segment.held - view.has).isEmpty();
    if (copied && now_ - view.asked_at >= options_.repair_every) StartSync(segment, view);
  }
  complete = complete && AreEnough(segment.record, whole, repair.holders);
  if (repair.committing) {
    const bool promised = segment.promised > segment.record.epoch;
    if (now_ >= repair.until + (promised ? kWaitForPromises : Duration())) {
      GiveUpRepair(segment, "repair_not_committed");
      return;
    }
    if (segment.claim || (!stays(options_.self) && !segment.flying.empty())) return;
    // What ends now, and is not yet with who joins, would keep the list from standing.
    const bool quiet = segment.flying.empty() || now_ >= repair.until - kWaitToCommit / 2;
    if (!complete || !quiet) return;
    segment.claim = std::make_unique<ClaimState>();
    segment.claim->not_before = now_;
    return;
  }
  // What is under way goes with the claim. What a promiser's machine forgot, nobody
  // can tell to who joins: that grace ends first.
  repair.waiting = complete && owner.all_wait_until > now_;
  NoteProgress(segment);
  if (now_ >= repair.until) {
    NoteUnfit(segment);
    GiveUpRepair(segment, "repair_took_too_long");
    return;
  }
  if (!complete || repair.waiting) return;
  repair.committing = true;
  repair.until = now_ + kWaitToCommit;
}

// What comes slowly, comes: only a node that takes nothing more is given up.
void Replica::NoteProgress(Segment& segment) {
  RepairState& repair = *segment.owner->repair;
  uint64_t copied = 0;
  for (const HolderView& view : segment.owner->holders) {
    const bool joins = view.role == HolderView::Role::kJoining;
    if (joins) copied += view.has.cardinality() + view.done.cardinality();
  }
  if (copied > repair.copied || repair.waiting) repair.until = now_ + options_.repair_timeout;
  repair.copied = std::max(repair.copied, copied);
}

// Others come first, the next times: it may be short of room.
void Replica::NoteUnfit(Segment& segment) {
  for (const HolderView& view : segment.owner->holders) {
    const bool joins = view.role == HolderView::Role::kJoining;
    if (!joins || HasAll(segment, view)) continue;
    segment.owner->unfit[view.node] = now_ + 3 * options_.repair_timeout;
  }
}

void Replica::StartRepair(Segment& segment, std::vector<NodeId> holders) {
  OwnerState& owner = *segment.owner;
  owner.repair = std::make_unique<RepairState>();
  owner.repair->holders = std::move(holders);
  owner.repair->until = now_ + options_.repair_timeout;
  AddNote("repair_started", segment, {}, segment.held.cardinality());
  RefreshViews(segment);
  for (HolderView& view : owner.holders) {
    if (view.role == HolderView::Role::kJoining) StartSync(segment, view);
  }
}

void Replica::GiveUpRepair(Segment& segment, std::string_view why) {
  OwnerState& owner = *segment.owner;
  AddNote(why, segment);
  owner.repair.reset();
  owner.next_repair = now_ + random_.Jitter(kTryAgain, 0.5);
  // Once we have promised our own proposal, only a claim above it leads on.
  if (segment.claim && segment.promised <= segment.record.epoch) segment.claim.reset();
  RefreshViews(segment);
  std::vector<Seq> live;
  for (uint32_t seq : segment.held) live.push_back(Seq(seq));
  MaybeFinish(segment, live);
}

// The node has on its disk all that we know.
bool Replica::HasAll(const Segment& segment, const HolderView& view) const {
  if (!view.synced) return false;
  const SeqSet all = segment.held | segment.finished | segment.aborted;
  if (!all.isSubset(view.has) || !segment.finished.isSubset(view.done)) return false;
  for (const auto& [seq, legs] : segment.outcomes) {
    if (Contains(view.done, seq)) continue;
    const auto known = view.legs_done.find(seq);
    for (const auto& [leg, outcome] : legs) {
      if (known == view.legs_done.end() || !known->second.contains(leg)) return false;
    }
  }
  return true;
}

// --- Copies that no committed list that we know of names

void Replica::TickStray(Segment& segment) {
  const SegmentRecord& record = segment.record;
  if (segment.closed || record.HasHolder(options_.self)) return;
  const bool had = record.HadHolder(options_.self);
  const bool proposed = record.Proposes(options_.self) && (record.next_epoch != Epoch() || !had);
  if (!proposed && had) {
    // It keeps what it has until the segment is closed. That may be long ago, if
    // its disk has lost the end of it.
    if (now_ < segment.next_inquiry) return;
    segment.next_inquiry = now_ + options_.guest_patience;
    InquireAll(segment);
    return;
  }
  if (!proposed || record.next_epoch == Epoch()) {
    // Given to us in advance: without a list that names us they count for nothing.
    if (now_ - segment.last_named >= options_.guest_patience) DropStray(segment);
    return;
  }
  if (now_ - segment.last_named < options_.inquire_every || now_ < segment.next_inquiry) return;
  segment.next_inquiry = now_ + options_.inquire_every;
  InquireAll(segment);
}

void Replica::DropStray(Segment& segment) {
  const SegmentId id = segment.record.id;
  AddNote("stray_copies_dropped", segment, {}, segment.held.cardinality());
  std::vector<spool::WriteOp> ops;
  for (const auto& [seq, heard] : segment.heard) {
    ops.push_back(spool::DeleteMeta{AttemptKey({id, seq})});
  }
  ops.push_back(spool::DeleteSegment{id});
  Write(std::move(ops));
  segments_.erase(id);
}

// A holder. With every holder evicted, what is left is with those of a list of which
// nobody can say any more whether it was committed.
bool Replica::MayClaim(const SegmentRecord& record, NodeId node) const {
  if (record.HasHolder(node)) return true;
  return record.next_epoch != Epoch() && record.Proposes(node) && Left(record.holders) == 0;
}

void Replica::InquireAll(Segment& segment) {
  for (const Member& member : snapshot_.members) {
    if (member.node == options_.self || IsEvicted(member.node)) continue;
    if (peers_[member.node].control) Tell(member.node, Inquire{segment.record.id});
  }
}

void Replica::Receive(NodeId from, uint32_t, const Inquire& message) {
  InquireAnswer answer;
  answer.segment = message.segment;
  if (const Segment* segment = Find(message.segment)) {
    answer.fate = segment->closed ? Fate::kClosed : Fate::kKnown;
    answer.record = segment->record;
  } else if (MayHaveForgotten(now_)) {
    answer.fate = Fate::kCannotTell;
  }
  Tell(from, std::move(answer), true);
}

void Replica::Receive(NodeId from, uint32_t, const InquireAnswer& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr || segment->closed) return;
  if (message.fate == Fate::kKnown && message.record.epoch > segment->record.epoch) {
    const SegmentRecord& record = message.record;
    const bool ours = record.HasHolder(options_.self) || record.Proposes(options_.self) ||
                      record.HadHolder(options_.self);
    if (ours || segment->record.HasHolder(options_.self)) {
      AdoptNewer(*segment, record);
    } else {
      DropStray(*segment);  // the list that named us was never committed
    }
    return;
  }
  segment->fates[from] = message.fate;
  if (segment->claim && message.fate != Fate::kCannotTell) {
    segment->claim->told.insert(from);
    MaybeClaim(*segment);
    return;
  }
  if (segment->record.HasHolder(options_.self)) return;
  const auto& holders = segment->record.holders;
  // With every holder evicted, what others have may be the last.
  const bool left = Left(holders) > 0;
  if (!left && segment->record.HadHolder(options_.self)) return;
  if (!left && MayClaim(segment->record, options_.self)) return;
  const bool over = std::all_of(holders.begin(), holders.end(), [&](NodeId node) {
    if (IsEvicted(node)) return true;
    const auto fate = segment->fates.find(node);
    return fate != segment->fates.end() &&
           (fate->second == Fate::kUnknown || fate->second == Fate::kClosed);
  });
  if (over) DropStray(*segment);
}

}  // namespace fermo::cluster
