#include "coordinator/membership/join.h"

#include <algorithm>
#include <string_view>

#include "fmt/format.h"
#include "lib/base/host_port.h"
#include "lib/rpc/eviction.h"

namespace fermo::coordinator {
namespace {

constexpr size_t kMaxNameLength = 63;
constexpr size_t kMaxVersionLength = 64;

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

absl::Status CheckName(std::string_view field, std::string_view name) {
  if (name.empty()) return absl::InvalidArgumentError(fmt::format("{}: is required", field));
  if (name.size() > kMaxNameLength || !std::ranges::all_of(name, IsNameCharacter)) {
    return absl::InvalidArgumentError(
        fmt::format("{}: must be 1 to {} letters, digits, '-', '_' or '.'", field, kMaxNameLength));
  }
  return absl::OkStatus();
}

// Others must be able to connect to it, so port 0 will not do.
absl::Status CheckAddress(std::string_view field, const std::string& address, bool required) {
  if (address.empty() && !required) return absl::OkStatus();
  auto place = ParseHostPort(address);
  if (!place.ok()) {
    return absl::InvalidArgumentError(
        fmt::format("{}: {}", field, std::string(place.status().message())));
  }
  if (place->port == 0) {
    return absl::InvalidArgumentError(
        fmt::format("{}: port 0 is no port that others can connect to", field));
  }
  return absl::OkStatus();
}

absl::Status CheckFields(const rpc::JoinInfo& join) {
  if (auto status = CheckName("name", join.name); !status.ok()) return status;
  if (auto status = CheckName("region", join.region); !status.ok()) return status;
  const bool node = join.role == rpc::Role::kNode;
  if (auto status = CheckAddress("advertise_address", join.advertise_address, node); !status.ok()) {
    return status;
  }
  if (auto status = CheckAddress("http_address", join.http_address, false); !status.ok()) {
    return status;
  }
  const bool frontend = join.role == rpc::Role::kSmtpFrontend;
  if (auto status = CheckAddress("smtp_address", join.smtp_address, frontend); !status.ok()) {
    return status;
  }
  if (node && join.node == NodeId{}) return absl::InvalidArgumentError("node: is required");
  if (join.version.size() > kMaxVersionLength) {
    return absl::InvalidArgumentError(
        fmt::format("version: is longer than {} octets", kMaxVersionLength));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckNotEvicted(const rpc::JoinInfo& join, const ClusterView& view) {
  if (join.role != rpc::Role::kNode || !view.evicted.contains(join.node)) return absl::OkStatus();
  return rpc::EvictedError(join.node);
}

absl::Status CheckJoin(const rpc::JoinInfo& join, const ClusterView& view,
                       const ProcessTable& connected) {
  if (auto status = CheckFields(join); !status.ok()) return status;
  if (!join.cluster_uuid.empty() && join.cluster_uuid != view.cluster_uuid) {
    return absl::FailedPreconditionError(fmt::format(
        "this is cluster {}, but {} belongs to cluster {}; give it the coordinators of its own "
        "cluster, or a new data directory",
        view.cluster_uuid, join.name, join.cluster_uuid));
  }
  if (join.role != rpc::Role::kNode) return absl::OkStatus();
  if (auto status = CheckNotEvicted(join, view); !status.ok()) return status;
  const Process* namesake = connected.FindNodeByName(join.name);
  if (namesake && namesake->join.node != join.node) {
    return absl::AlreadyExistsError(fmt::format(
        "name: node {} at {} is connected under the name {}; give this node another name",
        ToString(namesake->join.node), namesake->join.advertise_address, join.name));
  }
  return absl::OkStatus();
}

MemberRecord ToMember(const rpc::JoinInfo& join) {
  MemberRecord member;
  member.node = join.node;
  member.name = join.name;
  member.region = join.region;
  member.address = join.advertise_address;
  member.http_address = join.http_address;
  return member;
}

}  // namespace fermo::coordinator
