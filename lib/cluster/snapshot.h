// The configuration that every process runs on, as the coordinator last sent
// it or as it was kept on disk. Pure values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/base/ids.h"

namespace fermo::cluster {

struct Member {
  NodeId node;
  std::string name;
  std::string region;
  std::string address;    // gRPC host:port
  bool draining = false;  // takes no new copies and gives away those it has
  bool operator==(const Member&) const = default;
};

// Where a domain's mail goes. Several domains may share one.
struct Route {
  std::string host;  // name or IP literal, lower case
  uint16_t port = 25;
  auto operator<=>(const Route&) const = default;
};

struct Domain {
  std::string name;  // lower case
  Route primary;
  std::vector<std::string> regions;  // the only ones that may hold copies; empty: all
  bool operator==(const Domain&) const = default;
};

struct Snapshot {
  std::string cluster_uuid;
  uint64_t generation = 0;
  std::vector<Member> members;
  std::vector<Domain> domains;  // sorted by name
  std::vector<NodeId> evicted;
  bool operator==(const Snapshot&) const = default;

  const Member* FindMember(NodeId node) const;
  const Domain* FindDomain(std::string_view lower_case_name) const;
  // The only regions that may hold a message for all of these forward-paths;
  // empty: all. InvalidArgument when their domains differ in that.
  absl::StatusOr<std::vector<std::string>> RegionsFor(
      const std::vector<std::string>& forward_paths) const;
};

}  // namespace fermo::cluster
