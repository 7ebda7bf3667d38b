// A holder whose machine stopped uncleanly is suspect: a disk that lied about a
// sync may have lost copies, outcomes, promises and whole segments that its
// node has vouched for. Until the others have given it again what it may lack,
// it says so with every inventory, and never "no such segment".
#include <algorithm>

#include "lib/cluster/replica.h"

namespace fermo::cluster {
namespace {

// More than what can have been promised between the last write that survived
// and the stop: so that no epoch is promised twice.
constexpr uint64_t kSkippedEpochs = 1000;
constexpr int kLeasesToClaim = 3;

}  // namespace

void Replica::Suspect(Segment& segment) {
  if (segment.closed) return;
  segment.suspect = true;
  segment.promised =
      Epoch(std::max(segment.promised, segment.record.epoch).value() + kSkippedEpochs);
  segment.promised_to = NodeId();
}

// While it was connected it named what it owns, and had the time to claim what
// had no owner.
bool Replica::HasNamedAll(const Peer& peer, Instant now) const {
  return peer.named_at && now - *peer.named_at >= options_.lease * kLeasesToClaim;
}

// Whether a segment that we don't know is one that we have lost. No longer so
// when every other member has named all.
bool Replica::MayHaveForgotten(Instant now) const {
  if (!options_.suspect) return false;
  return std::any_of(snapshot_.members.begin(), snapshot_.members.end(), [&](const Member& m) {
    if (m.node == options_.self || IsEvicted(m.node)) return false;
    const auto peer = peers_.find(m.node);
    return peer == peers_.end() || !HasNamedAll(peer->second, now);
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

bool Replica::HasSuspect(const Segment& segment) const {
  const auto& views = segment.owner->holders;
  return segment.suspect || std::any_of(views.begin(), views.end(), [](const HolderView& view) {
           return view.suspect && view.role == HolderView::Role::kHolder;
         });
}

void Replica::TickSuspect(Segment& segment) {
  if (!segment.owner || segment.closed || !segment.owner->wanted.isEmpty()) return;
  if (segment.suspect && ComparedEnough(segment, options_.self)) segment.suspect = false;
  if (segment.suspect) return;
  for (HolderView& view : segment.owner->holders) {
    if (!view.suspect || view.syncing || !ComparedEnough(segment, view.node)) continue;
    const bool copied = view.synced && (segment.held - view.has).isEmpty();
    if (!copied || now_ - view.asked_at < options_.repair_every) continue;
    StartSync(segment, view);  // marks are not acknowledged
  }
}

}  // namespace fermo::cluster
