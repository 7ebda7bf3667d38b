#include "lib/cluster/segment_record.h"

#include <algorithm>

namespace fermo::cluster {
namespace {

bool Contains(const std::vector<NodeId>& nodes, NodeId node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

}  // namespace

bool SegmentRecord::HasHolder(NodeId node) const { return Contains(holders, node); }
bool SegmentRecord::Proposes(NodeId node) const { return Contains(next_holders, node); }
bool SegmentRecord::HadHolder(NodeId node) const { return Contains(former_holders, node); }

std::vector<NodeId> SegmentRecord::Everybody() const {
  std::vector<NodeId> all = holders;
  for (const auto* more : {&next_holders, &former_holders}) {
    for (NodeId node : *more) {
      if (!Contains(all, node)) all.push_back(node);
    }
  }
  return all;
}

uint32_t WriteQuorum(const SegmentRecord& record) { return std::max(1u, record.write_copies); }

uint32_t ClaimQuorum(const SegmentRecord& record, const std::vector<NodeId>& holders) {
  const auto n = static_cast<uint32_t>(holders.size());
  const uint32_t w = WriteQuorum(record);
  const uint32_t meets_writes = n >= w ? n - w + 1 : 1;
  return std::max(meets_writes, n / 2 + 1);
}

}  // namespace fermo::cluster
