// What a test can tell of the cluster: deliveries, owners, what is left.
#include <algorithm>

#include "tests/support/replica_cluster.h"

namespace fermo::test {

int ReplicaCluster::LegDeliveries(const MessageId& id, uint32_t leg) const {
  auto it = delivered_.find({id, leg});
  return it == delivered_.end() ? 0 : it->second;
}

int ReplicaCluster::Lost() const {
  int lost = 0;
  for (const auto& [upload, settled] : settled_) {
    if (!settled.status.ok()) continue;
    for (uint32_t leg = 0; leg < upload_legs_.at(upload); ++leg) {
      lost += LegDeliveries(settled.message, leg) == 0;
    }
  }
  return lost;
}

int ReplicaCluster::Extra() const {
  int extra = 0;
  for (const auto& [leg, count] : delivered_) extra += count - 1;
  return extra;
}

std::vector<MessageId> ReplicaCluster::Accepted() const {
  std::vector<MessageId> ids;
  for (const auto& [upload, settled] : settled_) {
    if (settled.status.ok()) ids.push_back(settled.message);
  }
  return ids;
}

int ReplicaCluster::OwnersOf(const SegmentId& id) const {
  int owners = 0;
  for (const Node& node : nodes_) {
    const cluster::Segment* segment = node.replica ? node.replica->Find(id) : nullptr;
    if (segment != nullptr && segment->owner && node.replica->MayStart(id, now_)) ++owners;
  }
  return owners;
}

int ReplicaCluster::OwnerOf(const SegmentId& id) const {
  for (int index = 0; index < size(); ++index) {
    if (IsUp(index) && nodes_[index].replica->MayStart(id, now_)) return index;
  }
  return -1;
}

bool ReplicaCluster::Forgotten(const SegmentId& id) const {
  return std::none_of(nodes_.begin(), nodes_.end(), [&id](const Node& node) {
    if (!node.replica) return false;
    return node.replica->Find(id) != nullptr || node.disk.HasAttempts(id);
  });
}

bool ReplicaCluster::Drained() const {
  for (const Node& node : nodes_) {
    if (node.replica && node.replica->GetView(now_).held > 0) return false;
  }
  return true;
}

int ReplicaCluster::NotesOf(const std::string& what) const {
  auto it = notes_.find(what);
  return it == notes_.end() ? 0 : it->second;
}

}  // namespace fermo::test
