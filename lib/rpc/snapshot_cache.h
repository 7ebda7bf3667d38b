// The last snapshot on disk: version, the protobuf octets of a v1.Snapshot,
// checksum. Internal to lib/rpc.
//
// Plain functions that block on the disk.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/cluster/snapshot.h"

namespace fermo::rpc {

// `octets`: a serialised v1.Snapshot.
absl::Status WriteSnapshotCache(const std::string& file, std::string_view octets);

// NotFound when there is none; DataLoss when it is damaged or of an unknown
// version; else what the disk says.
absl::StatusOr<cluster::Snapshot> ReadSnapshotCache(const std::string& file);

}  // namespace fermo::rpc
