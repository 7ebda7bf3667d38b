#include "coordinator/store/rocksdb_status.h"

#include <string>

#include "fmt/format.h"

namespace fermo::coordinator {

absl::Status FromRocksDb(const rocksdb::Status& status, std::string_view what) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = status.ToString();
  if (status.IsNotFound()) return absl::NotFoundError(fmt::format("{}: {}", what, text));
  if (status.IsCorruption()) return absl::DataLossError(fmt::format("{}: {}", what, text));
  // RocksDB has no code for a directory in use; these are its two wordings.
  if (status.IsIOError() && (text.find("lock file") != std::string::npos ||
                             text.find("lock hold by") != std::string::npos)) {
    return absl::FailedPreconditionError(
        fmt::format("{}: another process uses this directory ({})", what, text));
  }
  return absl::UnavailableError(fmt::format("{}: {}", what, text));
}

}  // namespace fermo::coordinator
