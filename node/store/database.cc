#include "node/store/database.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "fmt/format.h"
#include "node/store/status.h"

namespace fermo::node {
namespace {

namespace fs = std::filesystem;

class BackgroundErrors : public rocksdb::EventListener {
 public:
  BackgroundErrors(std::shared_ptr<FatalLatch> latch, std::shared_ptr<std::atomic<uint64_t>> count)
      : latch_(std::move(latch)), count_(std::move(count)) {}

  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* error) override {
    ++*count_;
    if (error->severity() < rocksdb::Status::Severity::kHardError) return;
    latch_->Trip(FromRocksDb(*error, "the spool cannot go on"));
  }

 private:
  std::shared_ptr<FatalLatch> latch_;
  std::shared_ptr<std::atomic<uint64_t>> count_;
};

// RocksDB makes a new database wherever the file CURRENT is missing, and then
// removes the tables of the old one as garbage.
absl::Status RefuseHeadlessSpool(const std::string& directory) {
  std::error_code error;
  if (fs::exists(fs::path(directory) / "CURRENT", error)) return absl::OkStatus();
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    std::error_code ignored;
    const fs::path& path = entry.path();
    bool table = path.extension() == ".sst" || path.extension() == ".blob";
    bool log = path.extension() == ".log" && entry.file_size(ignored) > 0;
    if (!table && !log) continue;
    return absl::DataLossError(
        fmt::format("data directory {} has lost its file CURRENT, but holds {}: restore the file, "
                    "or start with an empty directory",
                    directory, path.filename().string()));
  }
  if (error) {
    return absl::UnavailableError(
        fmt::format("cannot read data directory {}: {}", directory, error.message()));
  }
  return absl::OkStatus();
}

// Makes the directory, but not its parents: a volume that is not mounted is
// not a new spool.
absl::Status PrepareDirectory(const std::string& directory, bool create_if_missing) {
  std::error_code error;
  if (fs::is_directory(directory, error)) return RefuseHeadlessSpool(directory);
  if (fs::exists(directory, error)) {
    return absl::FailedPreconditionError(fmt::format("{} is not a directory", directory));
  }
  if (!create_if_missing) {
    return absl::NotFoundError(fmt::format("data directory {} does not exist", directory));
  }
  if (fs::create_directory(directory, error)) return absl::OkStatus();
  return absl::NotFoundError(fmt::format("cannot make data directory {}: {}", directory,
                                         error ? error.message() : "it is there already"));
}

// The directory's own name must outlive a power cut, too.
absl::Status SyncParent(const std::string& directory) {
  fs::path parent = fs::absolute(fs::path(directory)).lexically_normal();
  if (!parent.has_filename()) parent = parent.parent_path();
  parent = parent.parent_path();
  int fd = open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int failed = fd < 0 ? errno : (fsync(fd) == 0 ? 0 : errno);
  if (fd >= 0) close(fd);
  if (failed == 0) return absl::OkStatus();
  return absl::UnavailableError(fmt::format("cannot sync directory {}: {}", parent.string(),
                                            std::generic_category().message(failed)));
}

absl::Status ExplainOpenFailure(const rocksdb::Status& status, const std::string& directory) {
  std::string text = status.ToString();
  auto mentions = [&text](const char* words) { return text.find(words) != std::string::npos; };
  if (status.IsIOError() && (mentions("lock file") || mentions("lock hold"))) {
    return absl::FailedPreconditionError(
        fmt::format("data directory {} is in use by another process ({})", directory, text));
  }
  if (status.IsInvalidArgument() && mentions("does not exist")) {
    return absl::NotFoundError(fmt::format("data directory {} holds no spool", directory));
  }
  if (status.IsInvalidArgument()) {
    return absl::FailedPreconditionError(
        fmt::format("data directory {} is not a spool of this program ({})", directory, text));
  }
  if (status.IsCorruption()) {
    return absl::DataLossError(fmt::format("data directory {} is damaged ({})", directory, text));
  }
  return FromRocksDb(status, fmt::format("cannot open data directory {}", directory));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& directory,
                                                         bool create_if_missing,
                                                         std::shared_ptr<FatalLatch> latch) {
  absl::Status prepared = PrepareDirectory(directory, create_if_missing);
  if (!prepared.ok()) return prepared;
  std::unique_ptr<Database> database(new Database());
  database->background_errors_ = std::make_shared<std::atomic<uint64_t>>(0);
  database->latch_ = latch;
  auto listener =
      std::make_shared<BackgroundErrors>(std::move(latch), database->background_errors_);
  rocksdb::Status status =
      rocksdb::DB::Open(MakeDatabaseOptions(create_if_missing, listener), directory,
                        MakeColumnFamilies(), &database->handles_, &database->db_);
  if (!status.ok()) return ExplainOpenFailure(status, directory);
  absl::Status synced = SyncParent(directory);
  if (!synced.ok()) return synced;
  return database;
}

Database::~Database() {
  if (db_ == nullptr) return;
  // What was written unsynced outlives a clean stop even when power fails next.
  // After a failure nothing is synced again.
  if (!latch_->tripped()) db_->FlushWAL(true).PermitUncheckedError();
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }
  db_->Close().PermitUncheckedError();
  delete db_;
}

}  // namespace fermo::node
