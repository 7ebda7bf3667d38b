// The one thread that writes to the spool. It takes what is queued, makes one
// batch of it, writes the batch with one sync, and tells those who wait.
//
// Ownership: borrows the database; the destructor writes what is queued, then
// joins. Threading: Write and the getters from any thread; callbacks run on
// the writer thread in the order of the writes. Failure: the first write that
// fails trips the latch; it and all later writes, also those queued already,
// are answered with the reason and never reach the disk.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "lib/base/time.h"
#include "lib/spool/write_op.h"
#include "node/store/batch.h"
#include "node/store/fatal_latch.h"

namespace fermo::node {

class Writer {
 public:
  using Done = std::function<void(const absl::Status&)>;

  // A batch takes further writes until it has this many octets. Larger ones
  // sync fewer times but make everybody in them wait longer.
  static constexpr size_t kMaxBatchBytes = size_t{4} << 20;
  // How long unsynced writes that nobody waits for wait for another to ride with.
  static constexpr Duration kUnsyncedDelay = std::chrono::milliseconds(3);
  // Sync times are counted in buckets of up to 1 ms x 2^i; the last holds the rest.
  static constexpr size_t kBuckets = 13;

  struct Counters {
    uint64_t commits = 0;
    uint64_t synced_commits = 0;
    uint64_t operations = 0;
    double sync_seconds_sum = 0;
    std::array<uint64_t, kBuckets> sync_seconds_buckets{};
  };

  Writer(const Database& database, std::shared_ptr<FatalLatch> latch);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void Write(std::vector<spool::WriteOp> ops, spool::Durability durability, Done done);
  size_t QueuedBytes() const { return queued_bytes_.load(std::memory_order_relaxed); }
  Counters GetCounters() const;

 private:
  struct Pending {
    bool Urgent() const { return synced || done != nullptr; }

    std::vector<spool::WriteOp> ops;
    size_t bytes = 0;
    bool synced = false;
    Instant queued_at;
    Done done;
  };
  using Group = std::vector<Pending>;

  void Run();
  // Empty only when the writer stops and nothing is left.
  Group TakeGroup();
  void AwaitUrgentWrite(std::unique_lock<std::mutex>& lock);
  absl::Status Commit(const Group& group);
  absl::Status Apply(bool synced);
  void Count(bool synced, Duration spent);
  void FlushAfterDeletions();

  const Database& database_;
  const std::shared_ptr<FatalLatch> latch_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Pending> queue_;            // guarded by mutex_
  size_t waiting_urgent_ = 0;            // of queue_; guarded by mutex_
  size_t waiting_bytes_ = 0;             // of queue_; guarded by mutex_
  bool stopping_ = false;                // guarded by mutex_
  Counters counters_;                    // guarded by mutex_
  std::atomic<size_t> queued_bytes_{0};  // of queue_ and of the group being written

  Batch batch_;                       // the writer thread's
  size_t deletions_since_flush_ = 0;  // the writer thread's
  std::thread thread_;
};

}  // namespace fermo::node
