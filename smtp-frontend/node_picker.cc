#include "smtp-frontend/node_picker.h"

#include <algorithm>

namespace fermo::frontend {

void NodePicker::SetMembers(const cluster::Snapshot& snapshot) {
  std::vector<Node> nodes;
  for (const cluster::Member& member : snapshot.members) {
    const auto& evicted = snapshot.evicted;
    if (std::find(evicted.begin(), evicted.end(), member.node) != evicted.end()) continue;
    nodes.push_back({member.node, member.region, IsReady(member.node)});
  }
  nodes_ = std::move(nodes);
}

void NodePicker::SetReady(NodeId node, bool ready) {
  for (Node& known : nodes_) {
    if (known.id == node) known.ready = ready;
  }
}

std::optional<NodeId> NodePicker::Pick(const std::vector<NodeId>& tried,
                                       const std::vector<std::string>& regions) {
  if (const auto near = PickIn(true, tried, regions)) return near;
  return PickIn(false, tried, regions);
}

std::optional<NodeId> NodePicker::PickIn(bool own_region, const std::vector<NodeId>& tried,
                                         const std::vector<std::string>& regions) {
  const auto contains = [](const auto& list, const auto& value) {
    return std::find(list.begin(), list.end(), value) != list.end();
  };
  for (size_t step = 0; step < nodes_.size(); ++step) {
    const size_t place = (turn_ + step) % nodes_.size();
    const Node& node = nodes_[place];
    if ((node.region == region_) != own_region || !node.ready || contains(tried, node.id)) continue;
    if (!regions.empty() && !contains(regions, node.region)) continue;
    turn_ = place + 1;
    return node.id;
  }
  return std::nullopt;
}

bool NodePicker::AnyReady() const {
  return std::any_of(nodes_.begin(), nodes_.end(), [](const Node& node) { return node.ready; });
}

bool NodePicker::IsReady(NodeId node) const {
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [node](const Node& known) { return known.id == node && known.ready; });
}

}  // namespace fermo::frontend
