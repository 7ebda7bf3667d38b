#include "lib/cluster/segment_record.h"

#include <algorithm>

namespace fermo::cluster {

bool SegmentRecord::HasHolder(NodeId node) const {
  return std::find(holders.begin(), holders.end(), node) != holders.end();
}

uint32_t WriteQuorum(const SegmentRecord& record) { return std::max(1u, record.write_copies); }

uint32_t ClaimQuorum(const SegmentRecord& record) {
  const auto n = static_cast<uint32_t>(record.holders.size());
  const uint32_t w = WriteQuorum(record);
  const uint32_t meets_writes = n >= w ? n - w + 1 : 1;
  return std::max(meets_writes, n / 2 + 1);
}

}  // namespace fermo::cluster
