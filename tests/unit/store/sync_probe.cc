#include "tests/unit/store/sync_probe.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

namespace fermo::node {
namespace {

bool IsWriteAheadLog(int fd) {
  std::string link = "/proc/self/fd/" + std::to_string(fd);
  char path[4096];
  ssize_t length = readlink(link.c_str(), path, sizeof(path));
  return length > 4 && std::string_view(path, static_cast<size_t>(length)).ends_with(".log");
}

}  // namespace

SyncProbe& TheSyncProbe() {
  static SyncProbe probe;
  return probe;
}

}  // namespace fermo::node

// The parameter is named as in <unistd.h>.
extern "C" int fdatasync(int __fildes) {  // NOLINT(bugprone-reserved-identifier)
  const int fd = __fildes;
  using fermo::node::IsWriteAheadLog;
  using fermo::node::LogSynced;
  fermo::node::SyncProbe& probe = fermo::node::TheSyncProbe();
  if (!IsWriteAheadLog(fd)) return static_cast<int>(syscall(SYS_fdatasync, fd));
  ++probe.log_syncs;
  if (probe.fail) {
    errno = EIO;
    return -1;
  }
  // Taken before the sync: what is written meanwhile does not count.
  struct stat info = {};
  fstat(fd, &info);
  int result = static_cast<int>(syscall(SYS_fdatasync, fd));
  auto on_synced = probe.on_synced.load();
  if (result == 0 && on_synced != nullptr) on_synced(LogSynced{info.st_ino, info.st_size});
  return result;
}
