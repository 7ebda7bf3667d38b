#include "node/store/disk_space.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <system_error>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace fermo::node {

absl::StatusOr<DiskSpace> ReadDiskSpace(const std::string& directory) {
  struct statvfs info = {};
  if (statvfs(directory.c_str(), &info) != 0) {
    return absl::UnavailableError(fmt::format("cannot read the free space of {}: {}", directory,
                                              std::generic_category().message(errno)));
  }
  DiskSpace space;
  space.total_bytes = uint64_t{info.f_blocks} * info.f_frsize;
  space.available_bytes = uint64_t{info.f_bavail} * info.f_frsize;
  return space;
}

}  // namespace fermo::node
