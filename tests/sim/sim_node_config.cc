// What a node knows of its cluster, and from whom.
#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "tests/sim/sim_node.h"

namespace fermo::sim {

using namespace std::chrono_literals;
using cluster::Channel;

void SimNode::Join() {
  if (world_.coordinator.gone) {
    WhenOn(1s, [this] { Join(); });
    return;
  }
  if (world_.coordinator.IsEvicted(id_)) {
    HearOfEvictions({id_});
    return;
  }
  world_.coordinator.Join(
      {id_, fmt::format("node-{}", settings_.index), settings_.region, "", false});
  Configure(world_.coordinator.snapshot());
}

void SimNode::Configure(const cluster::Snapshot& snapshot) {
  if (!Running() || snapshot.generation <= snapshot_.generation) return;
  const cluster::Snapshot before = std::exchange(snapshot_, snapshot);
  for (NodeId node : before.evicted) {  // whatever the coordinator says
    if (!KnowsEvicted(node)) snapshot_.evicted.push_back(node);
  }
  Publish(before);
}

// To the machine: the snapshot, and that nobody talks to who is no member any more. Who
// is evicted itself talks to nobody.
void SimNode::Publish(const cluster::Snapshot& before) {
  Receive(cluster::SnapshotChanged{snapshot_});
  for (const cluster::Member& member : before.members) {
    if (Knows(member.node) && !KnowsEvicted(id_)) continue;
    Receive(cluster::PeerDown{member.node, Channel::kControl});
    Receive(cluster::PeerDown{member.node, Channel::kData});
  }
}

// From the coordinator, or from a peer; kept as the snapshot is.
void SimNode::HearOfEvictions(const std::vector<NodeId>& nodes) {
  std::vector<NodeId> news = nodes;
  std::erase_if(news, [this](NodeId node) { return KnowsEvicted(node); });
  if (news.empty()) return;
  const cluster::Snapshot before = snapshot_;
  for (NodeId node : news) {
    world_.history.Add(world_.scheduler.now(), "node {} hears that {} is evicted", settings_.index,
                       ToString(node));
    snapshot_.evicted.push_back(node);
    std::erase_if(snapshot_.members, [node](const auto& member) { return member.node == node; });
  }
  Publish(before);
}

}  // namespace fermo::sim
