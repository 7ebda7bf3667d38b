#include "coordinator/membership/cluster_view.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace fermo::coordinator {

absl::Status ClusterView::Put(const KeyValue& stored) {
  if (stored.key == kClusterKey) {
    auto uuid = DecodeCluster(stored);
    if (!uuid.ok()) return uuid.status();
    cluster_uuid = *uuid;
  } else if (stored.key == kGenerationKey) {
    auto number = DecodeGeneration(stored);
    if (!number.ok()) return number.status();
    generation = *number;
    generation_revision = stored.mod_revision;
  } else if (stored.key.starts_with(kMemberPrefix)) {
    auto member = DecodeMember(stored);
    if (!member.ok()) return member.status();
    members.insert_or_assign(member->node, *member);
  } else if (stored.key.starts_with(kDomainPrefix)) {
    auto domain = DecodeDomain(stored);
    if (!domain.ok()) return domain.status();
    domains.insert_or_assign(domain->name, *domain);
  } else if (stored.key.starts_with(kEvictedPrefix)) {
    auto node = DecodeEvicted(stored);
    if (!node.ok()) return node.status();
    evicted.insert(*node);
  }
  // Other keys belong to a newer version, which may run beside this one.
  return absl::OkStatus();
}

void ClusterView::Remove(std::string_view key) {
  if (key.starts_with(kMemberPrefix)) {
    auto node = ParseNodeId(key.substr(kMemberPrefix.size()));
    if (node.ok()) members.erase(*node);
  } else if (key.starts_with(kDomainPrefix)) {
    const auto it = domains.find(key.substr(kDomainPrefix.size()));
    if (it != domains.end()) domains.erase(it);
  }
  // Evictions only grow, and the cluster and its generation never go.
}

absl::Status ClusterView::Apply(const Change& change) {
  if (change.revision <= revision) return absl::OkStatus();
  for (const Mutation& mutation : change.mutations) {
    if (!mutation.value) {
      Remove(mutation.key);
      continue;
    }
    const KeyValue stored{mutation.key, *mutation.value, change.revision};
    if (absl::Status put = Put(stored); !put.ok()) return put;
  }
  revision = change.revision;
  return absl::OkStatus();
}

const DomainRecord* ClusterView::FindDomain(std::string_view name) const {
  const auto it = domains.find(name);
  return it == domains.end() ? nullptr : &it->second;
}

const MemberRecord* ClusterView::FindMember(NodeId node) const {
  const auto it = members.find(node);
  return it == members.end() ? nullptr : &it->second;
}

std::vector<MemberRecord> ClusterView::LiveMembers() const {
  std::vector<MemberRecord> live;
  for (const auto& [node, member] : members) {
    if (!evicted.contains(node)) live.push_back(member);
  }
  std::sort(live.begin(), live.end(), [](const MemberRecord& a, const MemberRecord& b) {
    return std::tie(a.region, a.name, a.node) < std::tie(b.region, b.name, b.node);
  });
  return live;
}

}  // namespace fermo::coordinator
