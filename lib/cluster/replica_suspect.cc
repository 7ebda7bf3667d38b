// A holder whose machine stopped uncleanly is suspect: a disk that lied about a
// sync may have lost copies, outcomes, promises and whole segments that its
// node has vouched for. Until the others have given it again what it may lack,
// it says so with every inventory, and never "no such segment".
#include <algorithm>

#include "lib/cluster/replica.h"

namespace fermo::cluster {
namespace {

constexpr int kLeasesToClaim = 3;

}  // namespace

void Replica::Suspect(Segment& segment) {
  segment.skips_epochs = false;
  if (segment.closed) return;
  segment.suspect = true;
  const Epoch highest = std::max(segment.promised, segment.record.epoch);
  segment.promised = Epoch(highest.value() + kSkippedEpochs + random_.Uniform(kSkippedAtMost));
  segment.promised_to = NodeId();
}

// Once somebody has skipped epochs, what a disk that lied forgets may be above
// whatever its node skips: then no two claims are of the same epoch.
Epoch Replica::NextEpoch(const Segment& segment) {
  const Epoch highest = std::max({segment.record.epoch, segment.promised, segment.claim->seen});
  const bool skipped = highest.value() >= kSkippedEpochs;
  return Epoch(highest.value() + 1 + (skipped ? random_.Uniform(kSkippedAtMost) : 0));
}

// While it named what it owns, heartbeat by heartbeat, it had the time to claim
// what had no owner.
bool Replica::HasNamedAll(const Peer& peer, Instant now) const {
  return peer.named_since && now - *peer.named_since >= options_.lease * kLeasesToClaim;
}

void Replica::NoteNamed(Peer& peer) {
  const bool gap = now_ - peer.last_named > options_.heartbeat_every * kMissedHeartbeats;
  if (!peer.named_since || (gap && !HasNamedAll(peer, peer.last_named))) peer.named_since = now_;
  peer.last_named = now_;
}

// Whether a segment that we don't know is one that we have lost: until every
// other member has named all.
bool Replica::MayHaveForgotten(Instant now) const {
  if (knows_all_) return false;
  if (snapshot_.FindMember(options_.self) == nullptr) return true;  // no configuration yet
  return std::any_of(snapshot_.members.begin(), snapshot_.members.end(), [&](const Member& m) {
    if (m.node == options_.self || IsEvicted(m.node)) return false;
    const auto peer = peers_.find(m.node);
    if (peer == peers_.end() || !peer->second.named_since) return true;
    return !HasNamedAll(peer->second, std::min(now, peer->second.last_named));
  });
}

// Whatever W holders had, the suspect one among them, n-W+1 others have seen at
// least in part. Without so many: when all that are left have been compared,
// nothing more can be found.
bool Replica::ComparedEnough(const Segment& segment, NodeId suspect) const {
  const SegmentRecord& record = segment.record;
  uint32_t compared = segment.suspect || suspect == options_.self ? 0 : 1;
  bool all = true;
  for (const HolderView& view : segment.owner->holders) {
    if (view.role != HolderView::Role::kHolder) continue;
    all = all && view.synced;
    if (view.synced && !view.suspect && view.node != suspect) ++compared;
  }
  const uint32_t w = WriteQuorum(record);
  const auto n = static_cast<uint32_t>(record.holders.size());
  return all || compared >= (n >= w ? n - w + 1 : 1);
}

// Whether a list without the nodes that `holders` leaves out might lose mail:
// one that counts may have lost it. Who leaves need not be trusted itself, once
// enough others were compared.
bool Replica::HasSuspect(const Segment& segment, const std::vector<NodeId>& holders) const {
  if (segment.suspect) return true;
  const auto& views = segment.owner->holders;
  return std::any_of(views.begin(), views.end(), [&](const HolderView& view) {
    if (!view.suspect || view.role != HolderView::Role::kHolder) return false;
    const bool stays = std::find(holders.begin(), holders.end(), view.node) != holders.end();
    return stays || !ComparedEnough(segment, view.node);
  });
}

void Replica::TickSuspect(Segment& segment) {
  if (!segment.owner || segment.closed || !segment.owner->wanted.isEmpty()) return;
  if (segment.suspect && ComparedEnough(segment, options_.self)) segment.suspect = false;
  if (segment.suspect) return;
  for (HolderView& view : segment.owner->holders) {
    // What a former holder has counts for nothing.
    if (!view.suspect || view.syncing || view.role == HolderView::Role::kFormer) continue;
    if (!ComparedEnough(segment, view.node)) continue;
    const bool copied = view.synced && (segment.held - view.has).isEmpty();
    if (!copied || now_ - view.asked_at < options_.repair_every) continue;
    StartSync(segment, view);  // marks are not acknowledged
  }
}

}  // namespace fermo::cluster
