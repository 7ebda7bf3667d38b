// Claims: how a holder that finds the owner silent becomes the owner.
#include <algorithm>

#include "lib/cluster/replica.h"

namespace fermo::cluster {

// --- The claimant

void Replica::TickClaim(Segment& segment) {
  const SegmentRecord& record = segment.record;
  if (segment.closed || !MayClaim(record, options_.self) || IsEvicted(options_.self)) return;
  // An owner claims only above a higher promise (see HeartbeatAnswer), or for a
  // new list of holders.
  if (segment.owner && !segment.claim) return;
  if (!segment.owner && (segment.lease_until > now_ || silent_until_ > now_)) return;
  if (!SyncHealthy(now_)) return;
  if (!segment.claim) {
    auto rank = std::find(record.holders.begin(), record.holders.end(), options_.self) -
                record.holders.begin();
    // Who is to leave leaves the claim to the others.
    if (IsDraining(options_.self)) rank += static_cast<ptrdiff_t>(record.holders.size());
    segment.claim = std::make_unique<ClaimState>();
    segment.claim->not_before = now_ + options_.claim_stagger * rank;
  }
  ClaimState& claim = *segment.claim;
  if (claim.phase == ClaimState::Phase::kIdle) {
    if (now_ >= claim.not_before) StartAsking(segment);
  } else if (now_ >= claim.deadline) {
    if (claim.phase == ClaimState::Phase::kClaiming && Promised(segment)) {
      BecomeOwner(segment);  // without the nodes that were to join
      return;
    }
    RetryClaim(segment, Duration::zero());
  }
}

// What is claimed: the segment as we know it and, from its owner, the list that
// it proposes now; its earlier proposals are void, for it alone could have
// committed them.
SegmentRecord Replica::Proposal(const Segment& segment, Epoch epoch) const {
  SegmentRecord record = segment.record;
  if (!segment.owner) return record;
  const RepairState* repair = segment.owner->repair.get();
  const bool proposes = repair != nullptr && repair->committing;
  record.next_holders = proposes ? repair->holders : std::vector<NodeId>();
  record.next_epoch = proposes ? epoch : Epoch();
  return record;
}

// So many holders are evicted that no quorum of the original size is left. What
// is left of an outdated list must not act on it: every member is asked first.
bool Replica::IsRemnant(const SegmentRecord& record) const {
  const auto is = [&](const std::vector<NodeId>& list) {
    return Left(list) < ClaimQuorum(record, list);
  };
  return is(record.holders) || (record.next_epoch != Epoch() && is(record.next_holders));
}

void Replica::StartAsking(Segment& segment) {
  ClaimState& claim = *segment.claim;
  if (segment.skips_epochs) Suspect(segment);
  claim.phase = ClaimState::Phase::kAsking;
  claim.epoch = NextEpoch(segment);
  claim.deadline = now_ + options_.claim_timeout;
  claim.yes = {options_.self};
  claim.told.clear();
  claim.self_promised = false;
  claim.promises.clear();
  const SegmentRecord record = Proposal(segment, claim.epoch);
  std::vector<NodeId> asked = record.Everybody();
  // Once, however many rounds it takes: it may wait for a quorum for days.
  if (claim.rounds == 0 && !segment.owner) AddNote("claim_started", segment, record.owner);
  if (claim.rounds++ > 0) {  // holders that this node has not heard of may know a newer list
    for (const Member& member : snapshot_.members) {
      if (std::find(asked.begin(), asked.end(), member.node) == asked.end()) {
        asked.push_back(member.node);
      }
    }
  }
  for (NodeId node : asked) {
    if (node == options_.self || IsEvicted(node) || !peers_[node].control) continue;
    Tell(node, Ask{record, claim.epoch, segment.owner != nullptr});
  }
  if (IsRemnant(record)) InquireAll(segment);
  MaybeClaim(segment);
}

void Replica::MaybeClaim(Segment& segment) {
  ClaimState& claim = *segment.claim;
  if (claim.phase != ClaimState::Phase::kAsking) return;
  const SegmentRecord record = Proposal(segment, claim.epoch);
  if (!ClaimHolds(record, claim.yes)) return;
  if (segment.owner && !AllJoin(record, claim.yes)) return;
  if (IsRemnant(record)) {
    for (const Member& member : snapshot_.members) {
      const bool other = member.node != options_.self && !IsEvicted(member.node);
      if (other && !claim.told.contains(member.node)) return;
    }
  }
  StartClaiming(segment);
}

void Replica::Receive(NodeId from, uint32_t, const AskAnswer& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr || !segment->claim) return;
  ClaimState& claim = *segment->claim;
  if (claim.phase != ClaimState::Phase::kAsking || claim.epoch != message.epoch) return;
  if (message.yes) {
    claim.yes.insert(from);
    MaybeClaim(*segment);
    return;
  }
  if (message.newer.epoch > segment->record.epoch) {
    AdoptNewer(*segment, message.newer);
    return;
  }
  claim.seen = std::max(claim.seen, message.promised);
  if (claim.epoch.value() < kSkippedEpochs &&
      message.promised.value() >= claim.epoch.value() + kSkippedEpochs) {
    StartAsking(*segment);  // it was suspect and skipped epochs: nobody is ahead of us there
    return;
  }
  if (segment->owner && message.newer.next_epoch != Epoch()) {
    // Another was promised more than we, and may have committed what we proposed:
    // only as any other claimant can we go on.
    if (message.newer.next_epoch > segment->record.next_epoch) {
      segment->record.next_holders = message.newer.next_holders;
      segment->record.next_epoch = message.newer.next_epoch;
    }
    LoseOwnership(*segment);
    segment->claim.reset();
    return;
  }
  if (message.newer.next_epoch > segment->record.next_epoch && !segment->owner) {
    // A list was proposed, and may have been committed.
    segment->record.next_holders = message.newer.next_holders;
    segment->record.next_epoch = message.newer.next_epoch;
    StartAsking(*segment);
    return;
  }
  // One refusal does not end the question: the others may make the quorum.
  claim.refused_by = from;
  claim.not_before = std::max(claim.not_before, now_ + message.wait);
}

void Replica::RetryClaim(Segment& segment, Duration wait) {
  ClaimState& claim = *segment.claim;
  const NodeId by = std::exchange(claim.refused_by, NodeId());
  if (by != NodeId()) AddNote("claim_refused", segment, by);
  claim.phase = ClaimState::Phase::kIdle;
  claim.not_before =
      std::max(claim.not_before, now_ + wait + random_.Jitter(options_.claim_stagger, 0.9));
}

// Our own promise goes to disk first; the others are asked meanwhile.
void Replica::StartClaiming(Segment& segment) {
  ClaimState& claim = *segment.claim;
  if (Hindrance(segment, options_.self, claim.epoch) > Duration::zero()) {
    RetryClaim(segment, Duration::zero());
    return;
  }
  claim.phase = ClaimState::Phase::kClaiming;
  claim.deadline = now_ + options_.claim_timeout;
  segment.promised = claim.epoch;
  segment.promised_to = options_.self;
  segment.record = Proposal(segment, claim.epoch);
  std::vector<spool::WriteOp> ops;
  SaveSegment(segment, ops);
  WriteSynced(std::move(ops), PromisedSelf{segment.record.id, claim.epoch});
  Claim message{segment.record, claim.epoch, segment.owner != nullptr, {}};
  if (message.owner) message.in_flight = UnderWay(segment);
  for (NodeId holder : claim.yes) {
    if (holder != options_.self) Tell(holder, message);
  }
}

void Replica::Done(const PromisedSelf& done) {
  Segment* segment = FindSegment(done.segment);
  if (segment == nullptr || !segment->claim) return;
  ClaimState& claim = *segment->claim;
  const bool current = claim.phase == ClaimState::Phase::kClaiming && claim.epoch == done.epoch;
  if (!current || segment->promised != done.epoch || segment->promised_to != options_.self) return;
  claim.self_promised = true;
  MaybeWin(*segment);
}

void Replica::Receive(NodeId from, uint32_t, const Promise& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr || !segment->claim) return;
  ClaimState& claim = *segment->claim;
  if (claim.phase != ClaimState::Phase::kClaiming || claim.epoch != message.epoch) return;
  if (!message.granted) {
    claim.seen = std::max(claim.seen, message.promised);
    claim.refused_by = from;
    RetryClaim(*segment, Duration::zero());
    return;
  }
  claim.promises[from] = message;
  MaybeWin(*segment);
}

std::set<NodeId> Replica::Promisers(const Segment& segment) const {
  std::set<NodeId> promisers;
  if (segment.claim->self_promised) promisers.insert(options_.self);
  for (const auto& [from, promise] : segment.claim->promises) promisers.insert(from);
  return promisers;
}

bool Replica::Promised(const Segment& segment) const {
  // Our own promise counts until we give another a higher one.
  const bool ours = segment.claim->self_promised && segment.promised == segment.claim->epoch &&
                    segment.promised_to == options_.self;
  return ours && ClaimHolds(segment.record, Promisers(segment));
}

// Nodes that join are waited for until the claim's deadline.
void Replica::MaybeWin(Segment& segment) {
  if (!Promised(segment)) return;
  const SegmentRecord& record = segment.record;
  const std::set<NodeId> promisers = Promisers(segment);
  const std::set<NodeId>& yes = segment.claim->yes;
  const bool awaited =
      std::any_of(record.next_holders.begin(), record.next_holders.end(), [&](NodeId node) {
        return !record.HasHolder(node) && yes.contains(node) && !promisers.contains(node);
      });
  if (!awaited || record.next_epoch == Epoch()) BecomeOwner(segment);
}

// The nodes that the proposed list adds are all among `nodes`.
bool Replica::AllJoin(const SegmentRecord& record, const std::set<NodeId>& nodes) const {
  return std::all_of(record.next_holders.begin(), record.next_holders.end(),
                     [&](NodeId node) { return record.HasHolder(node) || nodes.contains(node); });
}

void Replica::BecomeOwner(Segment& segment) {
  const std::unique_ptr<ClaimState> claim = std::move(segment.claim);
  const NodeId before = segment.record.owner;
  SettleList(segment, *claim);
  segment.record.epoch = claim->epoch;
  segment.record.owner = options_.self;
  segment.record.sealed = true;
  segment.lease_until = now_;
  std::vector<spool::WriteOp> ops;
  SaveSegment(segment, ops);
  Write(std::move(ops));
  const bool renewed = segment.owner != nullptr;
  if (renewed) {
    RenewTenure(segment);
  } else {
    AddNote("takeover", segment, before, segment.held.cardinality());
    StartTenure(segment, *claim);
  }
  for (auto& [from, promise] : claim->promises) {
    if (HolderView* view = segment.owner->Find(from)) {
      MergeInventory(segment, *view, promise.inventory);
    }
  }
  std::vector<Seq> live;
  for (uint32_t seq : segment.held) live.push_back(Seq(seq));
  if (!renewed) Offer(segment, live);  // else delivery has them
  MaybeFinish(segment, live);
  if (!segment.record.HasHolder(options_.self)) {
    HandOver(segment);
    return;
  }
  for (HolderView& view : segment.owner->holders) {
    if (view.role == HolderView::Role::kHolder) SendHeartbeat(view.node, peers_[view.node]);
    StartSync(segment, view);
  }
}

// --- The promiser

// How long nothing of this epoch can be promised to `claimant`; zero: now.
Duration Replica::Hindrance(const Segment& segment, NodeId claimant, Epoch epoch) const {
  const Duration retry = options_.claim_stagger;
  if (!SyncHealthy(now_)) return retry;
  // What it forgot with its process it can have granted only as a holder.
  const bool silent = silent_until_ > now_ && segment.record.HasHolder(options_.self);
  if (silent) return silent_until_ - now_;
  if (epoch <= segment.record.epoch || epoch < segment.promised) return retry;
  if (epoch == segment.promised && segment.promised_to != claimant) return retry;
  if (claimant == segment.record.owner && !segment.owner) return Duration::zero();
  if (segment.owner && claimant != options_.self) {
    // A living owner yields only where it can't deliver anyway.
    return Leases(segment, now_) >= WriteQuorum(segment.record) ? options_.lease : Duration::zero();
  }
  if (!segment.owner && segment.lease_until > now_) return segment.lease_until - now_;
  return Duration::zero();
}

// Whether we may answer for this segment: we hold it, or were given copies of
// it. Who has none of them although a proposed list names it shows by its
// promise that this list was never committed.
Segment* Replica::FindForClaim(const SegmentRecord& record, bool by_owner) {
  const bool proposed = !by_owner && record.next_epoch != Epoch() && record.Proposes(options_.self);
  const Segment* known = FindSegment(record.id);
  if (known == nullptr && !record.HasHolder(options_.self) && !proposed) return nullptr;
  // Who is to leave joins no list: it may have said that it is safe to remove.
  const bool joins = record.Proposes(options_.self) && !record.HasHolder(options_.self);
  const bool promised = known != nullptr && known->record.Proposes(options_.self) &&
                        known->record.next_epoch != Epoch();
  if (joins && !promised && IsDraining(options_.self)) return nullptr;
  Segment* segment = Adopt(record);
  if (segment == nullptr) return nullptr;
  // What it may have promised is forgotten with the segment.
  if (segment->skips_epochs && !segment->owner) Suspect(*segment);
  AdoptNewer(*segment, record);
  return segment;
}

// What the claimant must know before it claims: a later ownership, or a list
// that may have been committed. An owner's word that its list was not counts
// only where nobody else was promised anything since.
bool Replica::KnowsNewer(const Segment& segment, const SegmentRecord& record, NodeId claimant,
                         bool by_owner) const {
  if (segment.record.epoch > record.epoch) return true;
  const bool promised_other =
      segment.promised > segment.record.epoch && segment.promised_to != claimant;
  if (by_owner) return promised_other && segment.record.next_epoch != Epoch();
  return segment.record.next_epoch > record.next_epoch;
}

void Replica::Receive(NodeId from, uint32_t, const Ask& message) {
  Segment* segment = FindForClaim(message.record, message.owner);
  if (segment == nullptr) return;
  AskAnswer answer{message.record.id, message.epoch, false, {}, {}, {}};
  answer.wait = Hindrance(*segment, from, message.epoch);
  answer.promised = segment->promised;
  if (KnowsNewer(*segment, message.record, from, message.owner)) {
    answer.newer = segment->record;
  } else {
    answer.yes = answer.wait <= Duration::zero() && MayClaim(message.record, from);
  }
  Tell(from, std::move(answer), true);
}

void Replica::Receive(NodeId from, uint32_t, const Claim& message) {
  Segment* segment = FindForClaim(message.record, message.owner);
  if (segment == nullptr) return;
  if (Hindrance(*segment, from, message.epoch) > Duration::zero() ||
      KnowsNewer(*segment, message.record, from, message.owner)) {
    Promise refusal;
    refusal.segment = message.record.id;
    refusal.epoch = message.epoch;
    refusal.promised = segment->promised;
    Tell(from, std::move(refusal), true);
    return;
  }
  if (segment->owner) LoseOwnership(*segment);
  segment->promised = message.epoch;
  segment->promised_to = from;
  segment->record.next_holders = message.record.next_holders;
  segment->record.next_epoch = message.record.next_epoch;
  for (const InFlight& leg : message.in_flight) {
    Hear(*segment, leg.seq, {leg.owner, leg.owner_boot, leg.epoch, now_ + leg.wait});
  }
  std::vector<spool::WriteOp> ops;
  SaveSegment(*segment, ops);
  WriteSynced(std::move(ops), PromisedPeer{from, message.record.id, message.epoch});
}

void Replica::Done(const PromisedPeer& done) {
  Segment* segment = FindSegment(done.segment);
  if (segment == nullptr) return;
  Promise promise;
  promise.segment = done.segment;
  promise.epoch = done.epoch;
  promise.promised = segment->promised;
  // Looked at again now that the fsync has returned.
  promise.granted = segment->promised == done.epoch && segment->promised_to == done.peer &&
                    segment->record.epoch <= done.epoch;
  if (promise.granted) {
    promise.inventory = MakeInventory(*segment);
    promise.in_flight = UnderWay(*segment);
    promise.all_wait = OwnLossWait();
  }
  Tell(done.peer, std::move(promise), true);
}

}  // namespace fermo::cluster
