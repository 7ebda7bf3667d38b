#include "node/replication/peer_metrics.h"

namespace fermo::node {
namespace {

constexpr char kQueued[] = "replication_peer_queue_bytes";
constexpr char kLag[] = "replication_lag_seconds";

double Seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

// Whether we still wait for the peer to store it.
bool IsAwaited(const cluster::Replica& replica, NodeId peer, const MessageId& message) {
  const cluster::Segment* segment = replica.Find(message.segment);
  if (segment == nullptr || !segment->owner) return false;
  const cluster::HolderView* view = segment->owner->Find(peer);
  return view != nullptr && !cluster::Contains(view->has, message.seq);
}

}  // namespace

PeerMetrics::PeerMetrics(net::Metrics& metrics, const Transport& transport, NodeId self,
                         const cluster::Snapshot& snapshot)
    : metrics_(metrics), transport_(transport), self_(self) {
  SetMembers(snapshot);
}

void PeerMetrics::SetMembers(const cluster::Snapshot& snapshot) {
  if (snapshot.generation < generation_) return;
  generation_ = snapshot.generation;
  std::set<NodeId> peers;
  for (const cluster::Member& member : snapshot.members) peers.insert(member.node);
  for (NodeId evicted : snapshot.evicted) peers.erase(evicted);
  peers.erase(self_);
  // A gauge that stays would tell for ever what was last seen of who has left.
  std::erase_if(gauges_, [&](const auto& entry) {
    if (peers.contains(entry.first)) return false;
    metrics_.RemoveGauge(kQueued, entry.second.queued);
    metrics_.RemoveGauge(kLag, entry.second.lag);
    return true;
  });
  for (NodeId peer : peers) {
    Gauges& gauges = gauges_[peer];
    if (gauges.lag != nullptr) continue;
    const net::Labels labels{{"peer", ToString(peer)}};
    gauges.queued = &metrics_.MakeGauge(kQueued, "Octets that wait for a peer.", labels);
    gauges.lag = &metrics_.MakeGauge(
        kLag, "Age of the oldest append that a peer has not acknowledged.", labels);
  }
}

void PeerMetrics::Acknowledged(NodeId peer, Duration taken) {
  net::Histogram*& histogram = acknowledged_[peer];
  if (histogram == nullptr) {
    histogram = &metrics_.MakeHistogram("replication_ack_seconds",
                                        "An append's way to a peer's disk and back.",
                                        net::LatencyBuckets(), {{"peer", ToString(peer)}});
  }
  histogram->Observe(Seconds(taken));
}

void PeerMetrics::Sending(const cluster::SendData& action, Instant now) {
  const auto* append = std::get_if<cluster::Append>(&action.message);
  if (append == nullptr || append->copy) return;
  ack_times_.Sent(action.to, {append->segment.id, append->seq}, now);
}

void PeerMetrics::Saw(const cluster::Event& event, Instant now) {
  if (const auto* changed = std::get_if<cluster::SnapshotChanged>(&event)) {
    SetMembers(changed->snapshot);
  }
  if (const auto* down = std::get_if<cluster::PeerDown>(&event)) {
    if (down->channel == cluster::Channel::kData) ack_times_.PeerGone(down->peer);
  }
  if (const auto* data = std::get_if<cluster::DataReceived>(&event)) {
    const auto* stored = std::get_if<cluster::Stored>(&data->message);
    if (stored == nullptr) return;
    ack_times_.Stored(data->from, *stored, now,
                      [&](Duration taken) { Acknowledged(data->from, taken); });
  }
}

void PeerMetrics::Refresh(const cluster::Replica& replica, Instant now) {
  for (const auto& [peer, gauges] : gauges_) {
    const auto awaited = [&, peer = peer](const MessageId& message) {
      return IsAwaited(replica, peer, message);
    };
    gauges.queued->Set(static_cast<double>(transport_.QueuedBytes(peer)));
    gauges.lag->Set(Seconds(ack_times_.Lag(peer, now, awaited)));
  }
}

}  // namespace fermo::node
