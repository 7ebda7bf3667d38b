// Heartbeats and leases: who may deliver, as long as it lasts.
#include <algorithm>

#include "lib/cluster/replica.h"

namespace fermo::cluster {
namespace {

constexpr size_t kMaxUnanswered = 16;  // heartbeats remembered per peer

bool Newer(const SegmentRecord& a, const SegmentRecord& b) { return a.epoch > b.epoch; }

}  // namespace

void Replica::SendHeartbeats() {
  for (auto& [node, peer] : peers_) {
    if (peer.control) SendHeartbeat(node, peer);
  }
}

// Asks for leases on all that we own and `to` holds. A closed segment is not
// listed: a holder that has forgotten it would take it up again.
void Replica::SendHeartbeat(NodeId to, Peer& peer) {
  if (!peer.control) return;
  Heartbeat heartbeat;
  // No two are alike, also within one step: an answer is for what its heartbeat named.
  heartbeat.sent_at = static_cast<uint64_t>(now_.time_since_epoch().count());
  if (!peer.asked.empty()) {
    heartbeat.sent_at = std::max(heartbeat.sent_at, peer.asked.rbegin()->first + 1);
  }
  heartbeat.lease_wanted = SyncHealthy(now_);
  std::vector<std::pair<SegmentId, Epoch>> asked;
  for (const auto& [id, segment] : segments_) {
    if (!segment.owner || segment.closed) continue;
    if (!segment.record.HasHolder(to)) continue;
    heartbeat.segments.push_back(segment.record);
    asked.emplace_back(id, segment.record.epoch);
  }
  if (peer.asked.size() >= kMaxUnanswered) peer.asked.erase(peer.asked.begin());
  peer.asked[heartbeat.sent_at] = std::move(asked);
  Tell(to, std::move(heartbeat));
}

void Replica::Receive(NodeId from, uint32_t, const Heartbeat& message) {
  NoteNamed(peers_[from]);
  HeartbeatAnswer answer;
  answer.echo = message.sent_at;
  answer.granted = message.lease_wanted && SyncHealthy(now_);
  for (const SegmentRecord& record : message.segments) {
    if (record.owner != from) continue;
    Segment* segment = Adopt(record);
    if (segment == nullptr) continue;
    if (!AcceptOwner(*segment, record, message.lease_wanted)) {
      SegmentRecord known = segment->record;
      if (segment->promised > known.epoch) {
        known.epoch = segment->promised;
        known.owner = segment->promised_to;
      }
      answer.refused.push_back(std::move(known));
      continue;
    }
    if (answer.granted) segment->lease_until = now_ + options_.lease;
    // It has handed over, and delivers no more.
    if (!record.HasHolder(record.owner)) segment->lease_until = now_;
  }
  Tell(from, std::move(answer), true);
}

// A record of a later ownership: its list of holders and its owner stand.
void Replica::AdoptNewer(Segment& segment, const SegmentRecord& record) {
  if (segment.closed || !Newer(record, segment.record)) return;
  if (segment.owner) LoseOwnership(segment);
  segment.claim.reset();
  segment.record = record;
  segment.fates.clear();
  segment.lease_until = now_;
  if (segment.stored) {
    std::vector<spool::WriteOp> ops;
    SaveSegment(segment, ops);
    Write(std::move(ops));
  }
  PassOnOutcomes(segment);
}

// Whether `record` names the owner that we may serve; then it is adopted. A
// promise to a higher epoch, or to another at the same epoch, fences it.
bool Replica::AcceptOwner(Segment& segment, const SegmentRecord& record, bool lease_wanted) {
  if (record.epoch < segment.record.epoch || record.epoch < segment.promised) return false;
  if (record.epoch == segment.promised && record.owner != segment.promised_to) return false;
  if (record.epoch == segment.record.epoch && record.owner != segment.record.owner) return false;
  // An owner that wants no lease cannot deliver, its disk hangs perhaps: it is there,
  // and must not keep others from taking over.
  if (lease_wanted || Newer(record, segment.record)) segment.claim.reset();
  segment.fates.clear();
  StopSurviving(segment);
  const bool changed = !segment.stored || record != segment.record;
  if (!changed) return true;
  const bool moved = Newer(record, segment.record);
  if (moved && segment.owner) LoseOwnership(segment);
  segment.record = record;
  std::vector<spool::WriteOp> ops;
  SaveSegment(segment, ops);
  Write(std::move(ops));
  if (moved) PassOnOutcomes(segment);
  return true;
}

void Replica::LoseOwnership(Segment& segment) {
  AddNote("ownership_lost", segment);
  StopAttempts(segment);
  AbortAllPending(segment);
  if (segment.writer) {
    RefuseUploads(segment);
    segment.writer->closing = true;
    segment.record.sealed = true;
  }
  segment.owner.reset();
  segment.lease_until = now_;
  out_.push_back(SegmentLost{segment.record.id});
}

void Replica::Receive(NodeId from, uint32_t, const HeartbeatAnswer& message) {
  Peer& peer = peers_[from];
  auto asked = peer.asked.find(message.echo);
  if (asked == peer.asked.end()) return;
  const Instant sent{Duration(static_cast<int64_t>(message.echo))};
  const auto share = std::chrono::duration_cast<Duration>(options_.lease * options_.owner_share);
  for (const auto& [id, epoch] : asked->second) {
    Segment* segment = FindSegment(id);
    if (segment == nullptr || !segment->owner || segment->record.epoch != epoch) continue;
    HolderView* view = segment->owner->Find(from);
    if (view == nullptr) continue;
    auto refused = std::find_if(message.refused.begin(), message.refused.end(),
                                [id = id](const SegmentRecord& r) { return r.id == id; });
    if (refused != message.refused.end()) {
      // Somebody was promised a higher epoch. If he won, his own heartbeat
      // tells us; if not, we claim above him.
      view->lease_until = now_;
      if (!segment->claim) {
        segment->claim = std::make_unique<ClaimState>();
        segment->claim->not_before = now_ + random_.Jitter(options_.claim_stagger * 2, 0.5);
      }
      segment->claim->seen = std::max(segment->claim->seen, refused->epoch);
      continue;
    }
    if (!message.granted) continue;
    view->lease_until = std::max(view->lease_until, sent + share - options_.lease_margin);
  }
  peer.asked.erase(peer.asked.begin(), std::next(asked));
}

uint32_t Replica::Leases(const Segment& segment, Instant now) const {
  if (!segment.owner || !SyncHealthy(now)) return 0;
  const bool self =
      segment.promised <= segment.record.epoch && segment.record.HasHolder(options_.self);
  uint32_t leases = self ? 1 : 0;
  for (const HolderView& view : segment.owner->holders) {
    if (view.role == HolderView::Role::kHolder && view.lease_until > now) ++leases;
  }
  return leases;
}

bool Replica::MayStart(const SegmentId& id, Instant now) const {
  const Segment* segment = Find(id);
  if (segment == nullptr || segment->closed || IsEvicted(options_.self)) return false;
  if (segment->survivor) return segment->survivor->until > now;
  if (!segment->owner || (segment->owner->repair && segment->owner->repair->committing)) {
    return false;
  }
  return HoldsLeases(*segment, now);
}

bool Replica::HoldsLeases(const Segment& segment, Instant now) const {
  return Leases(segment, now) >= CopiesNeeded(segment.record);
}

bool Replica::MayFinish(const MessageId& message, Instant now) const {
  const Segment* known_segment = Find(message.segment);
  if (known_segment == nullptr || known_segment->closed || IsEvicted(options_.self)) return false;
  const Segment& segment = *known_segment;
  const std::map<Seq, Attempt>* attempts = nullptr;
  if (segment.survivor && segment.survivor->until > now) attempts = &segment.survivor->attempts;
  if (segment.owner && HoldsLeases(segment, now)) attempts = &segment.owner->attempts;
  if (attempts == nullptr) return false;
  auto attempt = attempts->find(message.seq);
  if (attempt == attempts->end() || !attempt->second.cleared) return false;
  if (now - attempt->second.fresh > options_.announce_again * 2) return false;
  if (!Contains(segment.held, message.seq)) return false;  // aborted or finished meanwhile
  // An outcome that was learned after the announcement was cleared stops it too.
  auto known = segment.outcomes.find(message.seq);
  if (known == segment.outcomes.end()) return true;
  const auto& legs = attempt->second.legs;
  return std::none_of(legs.begin(), legs.end(),
                      [&known](uint32_t leg) { return known->second.contains(leg); });
}

}  // namespace fermo::cluster
