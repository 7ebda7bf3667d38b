// The embedded ControlStore: one RocksDB directory, every commit synced.
//
// Ownership: owns the database; watches must be destroyed before it.
// Threading: as ControlStore. Commits are serialised by one mutex; a commit
// takes as long as a disk sync. Failure: a failed write or a background error
// latches the store as broken: from then on everything is refused and
// `on_broken` has been called once, since a failed sync must never be retried
// (the kernel may report success for pages it has dropped).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "coordinator/store/control_store.h"
#include "coordinator/store/watch_dispatcher.h"

namespace rocksdb {
class DB;
class WriteBatch;
}  // namespace rocksdb

namespace fermo::coordinator {

struct RocksDbControlStoreOptions {
  std::string directory;                               // made when absent; its parent must exist
  size_t watched_changes = 4096;                       // that a watch may start from or lag behind
  std::function<void(const absl::Status&)> on_broken;  // optional; any thread
};

class RocksDbControlStore : public ControlStore {
 public:
  // FailedPrecondition: another process has the directory, or its format is
  // not ours; DataLoss: damaged; Unavailable: the system refused.
  static absl::StatusOr<std::unique_ptr<RocksDbControlStore>> Open(
      RocksDbControlStoreOptions options);
  ~RocksDbControlStore() override;

  absl::StatusOr<std::optional<KeyValue>> Get(std::string_view key) override;
  absl::StatusOr<RangePage> Range(std::string_view prefix, std::string_view after,
                                  size_t limit) override;
  absl::StatusOr<CommitResult> Commit(const Transaction& transaction) override;
  absl::StatusOr<std::unique_ptr<Watch>> StartWatch(std::string_view prefix, uint64_t from_revision,
                                                    WatchCallback callback) override;

  // OK, or why the store has been given up.
  absl::Status Health() const;

 private:
  // Outlives the database: RocksDB's threads report to it until they end.
  class Latch;
  class Listener;

  RocksDbControlStore(std::shared_ptr<Latch> latch, std::unique_ptr<rocksdb::DB> db,
                      uint64_t revision, size_t watched_changes);
  static absl::StatusOr<uint64_t> LoadRevision(rocksdb::DB& db);
  absl::StatusOr<bool> Holds(const Transaction& transaction)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(commit_mutex_);
  absl::Status Write(rocksdb::WriteBatch& batch, std::string_view what);

  std::shared_ptr<Latch> latch_;
  std::unique_ptr<rocksdb::DB> db_;
  absl::Mutex commit_mutex_;
  uint64_t revision_ ABSL_GUARDED_BY(commit_mutex_);
  WatchDispatcher dispatcher_;
};

}  // namespace fermo::coordinator
