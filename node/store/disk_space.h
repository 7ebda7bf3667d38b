// How much room the data directory's file system has, for the watermarks.
// Blocks for one system call; from any thread.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace fermo::node {

struct DiskSpace {
  uint64_t total_bytes = 0;
  uint64_t available_bytes = 0;  // to this process; what is reserved for root does not count
};

// Unavailable, naming the directory, when the system does not say.
absl::StatusOr<DiskSpace> ReadDiskSpace(const std::string& directory);

}  // namespace fermo::node
