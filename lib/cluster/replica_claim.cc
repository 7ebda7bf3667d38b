// Claims: how a holder that finds the owner silent becomes the owner.
#include <algorithm>

#include "lib/cluster/replica.h"

namespace fermo::cluster {

// --- The claimant

void Replica::TickClaim(Segment& segment) {
  const SegmentRecord& record = segment.record;
  if (segment.closed || !record.HasHolder(options_.self)) return;
  // An owner claims only above a higher promise (see HeartbeatAnswer).
  if (segment.owner && !segment.claim) return;
  if (!segment.owner && (segment.lease_until > now_ || silent_until_ > now_)) return;
  if (!SyncHealthy(now_)) return;
  if (!segment.claim) {
    auto rank = std::find(record.holders.begin(), record.holders.end(), options_.self) -
                record.holders.begin();
    segment.claim = std::make_unique<ClaimState>();
    segment.claim->not_before = now_ + options_.claim_stagger * rank;
  }
  ClaimState& claim = *segment.claim;
  if (claim.phase == ClaimState::Phase::kIdle) {
    if (now_ >= claim.not_before) StartAsking(segment);
  } else if (now_ >= claim.deadline) {
    RetryClaim(segment, Duration::zero());
  }
}

void Replica::StartAsking(Segment& segment) {
  ClaimState& claim = *segment.claim;
  const Epoch highest = std::max({segment.record.epoch, segment.promised, claim.seen});
  claim.phase = ClaimState::Phase::kAsking;
  claim.epoch = Epoch(highest.value() + 1);
  claim.deadline = now_ + options_.claim_timeout;
  claim.yes = {options_.self};
  claim.self_promised = false;
  claim.promises.clear();
  for (NodeId holder : segment.record.holders) {
    if (holder == options_.self || !peers_[holder].control) continue;
    Tell(holder, Ask{segment.record, claim.epoch});
  }
  if (claim.yes.size() >= ClaimQuorum(segment.record)) StartClaiming(segment);
}

void Replica::Receive(NodeId from, uint32_t, const AskAnswer& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr || !segment->claim) return;
  ClaimState& claim = *segment->claim;
  if (claim.phase != ClaimState::Phase::kAsking || claim.epoch != message.epoch) return;
  if (!segment->record.HasHolder(from)) return;
  if (message.yes) {
    claim.yes.insert(from);
    if (claim.yes.size() >= ClaimQuorum(segment->record)) StartClaiming(*segment);
    return;
  }
  claim.seen = std::max({claim.seen, message.promised, message.newer.epoch});
  // One refusal does not end the question: the others may make the quorum.
  claim.not_before = std::max(claim.not_before, now_ + message.wait);
}

void Replica::RetryClaim(Segment& segment, Duration wait) {
  ClaimState& claim = *segment.claim;
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
  std::vector<spool::WriteOp> ops;
  SaveSegment(segment, ops);
  WriteSynced(std::move(ops), PromisedSelf{segment.record.id, claim.epoch});
  for (NodeId holder : claim.yes) {
    if (holder != options_.self) Tell(holder, Claim{segment.record, claim.epoch});
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
  if (!segment->record.HasHolder(from)) return;
  if (!message.granted) {
    claim.seen = std::max(claim.seen, message.promised);
    RetryClaim(*segment, Duration::zero());
    return;
  }
  claim.promises[from] = message;
  MaybeWin(*segment);
}

void Replica::MaybeWin(Segment& segment) {
  const ClaimState& claim = *segment.claim;
  const size_t promises = claim.promises.size() + (claim.self_promised ? 1 : 0);
  if (claim.self_promised && promises >= ClaimQuorum(segment.record)) BecomeOwner(segment);
}

void Replica::BecomeOwner(Segment& segment) {
  std::unique_ptr<ClaimState> claim = std::move(segment.claim);
  if (segment.owner) LoseOwnership(segment);  // of the lower epoch
  const NodeId before = segment.record.owner;
  segment.record.epoch = claim->epoch;
  segment.record.owner = options_.self;
  segment.record.sealed = true;
  segment.lease_until = now_;
  AddNote("takeover", segment, before, segment.held.cardinality());
  std::vector<spool::WriteOp> ops;
  SaveSegment(segment, ops);
  Write(std::move(ops));
  segment.owner = std::make_unique<OwnerState>();
  OwnerState& owner = *segment.owner;
  for (NodeId holder : segment.record.holders) {
    if (holder == options_.self) continue;
    owner.holders.emplace_back().node = holder;
  }
  for (uint32_t seq : segment.held) {
    if (segment.AllOutcomesStored(Seq(seq))) owner.done_here.add(seq);
  }
  Promise own;
  if (options_.machine_restarted_at != Instant{}) {
    own.all_wait = options_.machine_restarted_at + options_.grace - now_;
  }
  for (const auto& [seq, heard] : segment.heard) {
    own.in_flight.push_back({seq, heard.until - now_, heard.owner, heard.owner_boot});
  }
  TakeWaits(segment, own);
  for (auto& [from, promise] : claim->promises) TakeWaits(segment, promise);
  for (auto& [from, promise] : claim->promises) {
    MergeInventory(segment, *owner.Find(from), promise.inventory);
  }
  std::vector<Seq> live;
  for (uint32_t seq : segment.held) live.push_back(Seq(seq));
  Offer(segment, live);
  MaybeFinish(segment, live);
  for (HolderView& view : owner.holders) {
    SendHeartbeat(view.node, peers_[view.node]);
    StartSync(segment, view);
  }
}

// Legs that an earlier owner announced, and that may still get their dot from
// it, wait: out the grace, or until it shows a new boot or withdraws.
void Replica::TakeWaits(Segment& segment, const Promise& promise) {
  auto wait = [&](InFlight leg) {
    auto peer = peers_.find(leg.owner);
    const bool ourselves = leg.owner == options_.self;
    const uint32_t boot = ourselves ? options_.boot : peer == peers_.end() ? 0 : peer->second.boot;
    if (leg.wait <= Duration::zero() || boot > leg.owner_boot) return;
    if (ourselves && boot == leg.owner_boot) return;  // our own attempt of the lower epoch ended
    InFlight& known = segment.owner->waits[leg.seq];
    if (known.wait >= leg.wait) return;
    known = leg;
    // A promise of ours passes it on.
    segment.heard[leg.seq] = {leg.owner, leg.owner_boot, segment.record.epoch, now_ + leg.wait};
  };
  for (const InFlight& leg : promise.in_flight) wait(leg);
  Instant& all = segment.owner->all_wait_until;
  all = std::max(all, now_ + promise.all_wait);
}

// --- The promiser

// How long nothing of this epoch can be promised to `claimant`; zero: now.
Duration Replica::Hindrance(const Segment& segment, NodeId claimant, Epoch epoch) const {
  const Duration retry = options_.claim_stagger;
  if (!SyncHealthy(now_)) return retry;
  if (silent_until_ > now_) return silent_until_ - now_;
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

void Replica::Receive(NodeId from, uint32_t, const Ask& message) {
  Segment* segment = Adopt(message.record);
  AskAnswer answer{message.record.id, message.epoch, false, {}, {}, {}};
  if (segment == nullptr) return;
  answer.wait = Hindrance(*segment, from, message.epoch);
  answer.yes = answer.wait <= Duration::zero() && segment->record.HasHolder(from);
  answer.promised = segment->promised;
  if (segment->record.epoch > message.record.epoch) answer.newer = segment->record;
  Tell(from, std::move(answer), true);
}

void Replica::Receive(NodeId from, uint32_t, const Claim& message) {
  Segment* segment = Adopt(message.record);
  if (segment == nullptr || !segment->record.HasHolder(from)) return;
  if (Hindrance(*segment, from, message.epoch) > Duration::zero()) {
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
    for (const auto& [seq, heard] : segment->heard) {
      promise.in_flight.push_back({seq, heard.until - now_, heard.owner, heard.owner_boot});
    }
    if (options_.machine_restarted_at != Instant{}) {
      promise.all_wait = options_.machine_restarted_at + options_.grace - now_;
    }
  }
  Tell(done.peer, std::move(promise), true);
}

}  // namespace fermo::cluster
