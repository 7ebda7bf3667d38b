// The open RocksDB of a spool: its handles, its background errors.
//
// Ownership: owns the database; the destructor syncs the log and closes.
// Threading: as RocksDB's, from any thread. Failure: Open names the directory
// and the reason; errors met in the background trip the latch when they are
// hard.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "node/store/fatal_latch.h"
#include "node/store/options.h"
#include "rocksdb/db.h"

namespace fermo::node {

class Database {
 public:
  // NotFound: no directory, or no spool in it, and it is not to be made.
  // FailedPrecondition: another process has it open, or it is not ours.
  // DataLoss: damaged. Unavailable: the disk refuses.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& directory,
                                                        bool create_if_missing,
                                                        std::shared_ptr<FatalLatch> latch);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  rocksdb::DB* operator->() const { return db_; }
  rocksdb::ColumnFamilyHandle* family(Family family) const {
    return handles_[static_cast<size_t>(family) + 1];
  }
  uint64_t background_errors() const { return *background_errors_; }

 private:
  Database() = default;

  std::shared_ptr<FatalLatch> latch_;
  std::shared_ptr<std::atomic<uint64_t>> background_errors_;
  rocksdb::DB* db_ = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

}  // namespace fermo::node
