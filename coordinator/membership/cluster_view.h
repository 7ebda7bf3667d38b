// The configuration as the control store has it at one revision, in memory.
//
// A pure value; shared as an immutable object once built. Failure: DataLoss
// when the store holds something unreadable; the view is then unspecified.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "coordinator/membership/records.h"

namespace fermo::coordinator {

struct ClusterView {
  std::string cluster_uuid;
  uint64_t generation = 0;           // counts the changes of members, domains and evictions
  uint64_t generation_revision = 0;  // of its key, for compare-and-swap
  uint64_t revision = 0;             // of the store, up to which this view is complete
  std::map<NodeId, MemberRecord> members;
  std::map<std::string, DomainRecord, std::less<>> domains;
  std::set<NodeId> evicted;

  // One stored key.
  absl::Status Put(const KeyValue& stored);
  // One commit; those up to `revision` are known already and skipped.
  absl::Status Apply(const Change& change);

  const DomainRecord* FindDomain(std::string_view name) const;
  const MemberRecord* FindMember(NodeId node) const;
  // Members that have not been evicted, by region, name and id.
  std::vector<MemberRecord> LiveMembers() const;

 private:
  void Remove(std::string_view key);
};

using ClusterViewPtr = std::shared_ptr<const ClusterView>;

}  // namespace fermo::coordinator
