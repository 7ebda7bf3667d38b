#include "lib/base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fermo {
namespace {

// Closes itself. No ownership beyond one function.
class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  int Close() { return close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

absl::Status Problem(const std::string& path, const char* deed) {
  return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot ", deed));
}

absl::Status WriteAll(const File& file, std::string_view octets, const std::string& path) {
  while (!octets.empty()) {
    const ssize_t n = write(file.get(), octets.data(), octets.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Problem(path, "write");
    octets.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status WriteNew(const std::string& path, std::string_view octets) {
  File file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  if (file.get() < 0) return Problem(path, "create");
  absl::Status written = WriteAll(file, octets, path);
  if (!written.ok()) return written;
  // A failed fsync is never tried again: the system may have dropped the pages.
  if (fsync(file.get()) != 0) return Problem(path, "sync");
  if (file.Close() != 0) return Problem(path, "close");
  return absl::OkStatus();
}

absl::Status SyncDirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  std::string directory = ".";
  if (slash != std::string::npos) directory = slash == 0 ? "/" : path.substr(0, slash);
  const File file(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.get() < 0) return Problem(directory, "open");
  if (fsync(file.get()) != 0) return Problem(directory, "sync");
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteFileAtomically(const std::string& path, std::string_view octets) {
  const std::string temporary = path + ".new";
  absl::Status written = WriteNew(temporary, octets);
  if (written.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    written = Problem(path, "replace");
  }
  if (!written.ok()) {
    unlink(temporary.c_str());
    return written;
  }
  return SyncDirectoryOf(path);
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_octets) {
  const File file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return Problem(path, "open");
  struct stat info;
  if (fstat(file.get(), &info) != 0) return Problem(path, "read");
  if (S_ISDIR(info.st_mode)) {
    errno = EISDIR;
    return Problem(path, "read");
  }
  std::string content;
  char buffer[65536];
  for (;;) {
    const ssize_t n = read(file.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Problem(path, "read");
    if (n == 0) return content;
    content.append(buffer, static_cast<size_t>(n));
    if (content.size() > max_octets) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path, ": is larger than ", max_octets, " octets"));
    }
  }
}

}  // namespace fermo
