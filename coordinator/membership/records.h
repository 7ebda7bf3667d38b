// The configuration records of the control store: their keys, and their
// values as JSON, which an operator can read with any etcd client.
//
// Pure values and functions. Failure: DataLoss, naming the key, for a stored
// record that cannot be read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/store/control_store.h"
#include "lib/base/ids.h"
#include "lib/base/time.h"
#include "lib/cluster/snapshot.h"

namespace fermo::coordinator {

// Everything lies under one prefix, so that etcd may be shared.
inline constexpr std::string_view kConfigPrefix = "fermoposta/";
inline constexpr std::string_view kClusterKey = "fermoposta/cluster";
inline constexpr std::string_view kGenerationKey = "fermoposta/generation";
inline constexpr std::string_view kMemberPrefix = "fermoposta/members/";
inline constexpr std::string_view kDomainPrefix = "fermoposta/domains/";
inline constexpr std::string_view kEvictedPrefix = "fermoposta/evicted/";

// A node that has joined and has not been evicted, connected or not.
struct MemberRecord {
  NodeId node;
  std::string name;
  std::string region;
  std::string address;       // gRPC host:port
  std::string http_address;  // host:port
  // Takes no new copies and gives away those it has. An operator's word: a
  // node that joins again does not change it.
  bool draining = false;
  uint64_t revision = 0;  // of the store; not part of the value

  // What a node says of itself: all but `draining` and the revision.
  bool SameAs(const MemberRecord& other) const;
};

struct DomainRecord {
  std::string name;  // lower case, A-labels
  cluster::Route primary;
  WallTime created{};
  std::vector<std::string> regions;  // sorted; the only ones that may hold its mail; none: all
  uint64_t revision = 0;
};

std::string MemberKey(NodeId node);
std::string DomainKey(std::string_view name);
std::string EvictedKey(NodeId node);

std::string EncodeCluster(std::string_view uuid, WallTime created);
std::string EncodeGeneration(uint64_t generation);
std::string EncodeMember(const MemberRecord& member);
std::string EncodeDomain(const DomainRecord& domain);

absl::StatusOr<std::string> DecodeCluster(const KeyValue& stored);  // the uuid
absl::StatusOr<uint64_t> DecodeGeneration(const KeyValue& stored);
absl::StatusOr<MemberRecord> DecodeMember(const KeyValue& stored);
absl::StatusOr<DomainRecord> DecodeDomain(const KeyValue& stored);
absl::StatusOr<NodeId> DecodeEvicted(const KeyValue& stored);

}  // namespace fermo::coordinator
