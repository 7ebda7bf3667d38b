// What the machine tells of itself: metrics, status pages, the operator.
#include <algorithm>

#include "lib/cluster/replica.h"

namespace fermo::cluster {
namespace {

// The owned messages that are on fewer than `copies` live holders, ourselves
// included.
SeqSet OnFewerThan(uint32_t copies, const SeqSet& held, const std::vector<const SeqSet*>& others) {
  if (copies <= 1) return {};
  std::vector<SeqSet> on(copies - 1);  // on[k]: on more than k others
  for (const SeqSet* has : others) {
    for (size_t k = on.size() - 1; k > 0; --k) on[k] |= on[k - 1] & *has;
    on[0] |= *has;
  }
  return held - on.back();
}

}  // namespace

// W nodes that stay, or all who do, know that it is over: a holder that comes back with a message
// finds one that says so.
bool Replica::EndIsKnownElsewhere(const Segment& segment) const {
  if (!segment.closer) return false;
  const std::set<NodeId>& closed = segment.closer->closed;
  const auto stays = [this](NodeId node) {
    return node != options_.self && !IsEvicted(node) && !IsDraining(node);
  };
  const auto knowing = std::count_if(closed.begin(), closed.end(), stays);
  const std::vector<NodeId> all = segment.record.Everybody();
  const auto staying = std::count_if(all.begin(), all.end(), stays);
  return knowing >= std::clamp<ptrdiff_t>(staying, 1, CopiesNeeded(segment.record));
}

Replica::View Replica::GetView(Instant now) const {
  View view;
  view.draining = IsDraining(options_.self);
  view.suspect = MayHaveForgotten(now);
  for (const auto& [id, segment] : segments_) {
    if (segment.closed) {
      if (view.draining && !EndIsKnownElsewhere(segment)) ++view.to_hand_over;
      continue;
    }
    ++view.segments;
    const uint64_t held = segment.held.cardinality();
    view.held += held;
    if (held > 0) view.held_segments.push_back({id, segment.owner != nullptr, held});
    if (segment.survivor) ++view.surviving;
    view.suspect = view.suspect || (segment.suspect && segment.record.HasHolder(options_.self));
    // Handed over, and of those who took it none has said so: they may not know yet.
    const bool untaken =
        segment.record.HadHolder(options_.self) && !segment.record.HasHolder(segment.record.owner);
    // Promised, and perhaps committed without our having heard of it.
    const bool named =
        segment.record.next_epoch != Epoch() && segment.record.Proposes(options_.self);
    const bool ours = segment.record.HasHolder(options_.self) || untaken || named;
    if (view.draining && ours) ++view.to_hand_over;
    if (!segment.owner) continue;
    ++view.owned;
    if (segment.owner->repair) ++view.repairs;
    std::vector<const SeqSet*> others;
    for (const HolderView& holder : segment.owner->holders) {
      const bool counts = holder.role == HolderView::Role::kHolder;
      if (counts && IsLive(holder.node, now)) others.push_back(&holder.has);
    }
    view.under_replicated += OnFewerThan(options_.copies, segment.held, others).cardinality();
    view.at_risk += OnFewerThan(WriteQuorum(segment.record), segment.held, others).cardinality();
  }
  for (const auto& [id, peer] : peers_) {
    View::PeerStatus status{id, IsLive(id, now), std::nullopt};
    if (peer.last_heard) status.last_heard = now - *peer.last_heard;
    view.peers.push_back(status);
  }
  return view;
}

}  // namespace fermo::cluster
