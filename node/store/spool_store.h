// The node's spool on disk: one RocksDB, its column families, one writer
// thread that forms the group commits.
//
// Ownership: the store owns the database and its writer thread; the
// destructor drains the queue, then closes. Threading: Write may be called
// from any thread and never blocks on the disk; its callback runs on the
// writer thread and must only hand over (post). Reads may be called from any
// thread and block on the disk. Failure: a write that fails, or a background
// error at hard level, latches the store: `on_fatal` is called once with the
// reason and every later write fails; the process must refuse work and exit
// (a failed fsync is never retried).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/bytes.h"
#include "lib/base/ids.h"
#include "lib/spool/record.h"
#include "lib/spool/write_op.h"

namespace fermo::node {

// --- What a scan of one segment finds, ascending by seq.
struct StoredMessage {
  Seq seq;
  enum class Kind { kLive, kAborted, kFinished } kind = Kind::kLive;
  std::string record;                    // kLive
  std::vector<spool::Outcome> outcomes;  // kFinished, by leg
};

// --- What an audit finds under one seq: the slot and the outcomes beside it.
struct AuditedSlot {
  Seq seq;
  enum class State {
    kLive,
    kAborted,
    kFinished,
    kDamaged,  // something of it can't be decoded; then `legs` has no outcomes
  } state = State::kLive;
  struct Leg {
    std::string domain;  // of its forward-path; empty when not known
    spool::Outcome outcome = spool::Outcome::kNone;
  };
  std::vector<Leg> legs;  // none of an aborted seq
};

struct StoreOptions {
  std::string directory;
  bool create_if_missing = true;
  std::function<void(const absl::Status&)> on_fatal;
};

class SpoolStore {
 public:
  static absl::StatusOr<std::unique_ptr<SpoolStore>> Open(StoreOptions options);
  ~SpoolStore();
  SpoolStore(const SpoolStore&) = delete;
  SpoolStore& operator=(const SpoolStore&) = delete;

  // Queues the operations. Writes are applied in the order of the calls. With
  // kSynced, `done(OK)` means that they, and every write queued before them,
  // are on disk. `done` may be null for kUnsynced.
  using Done = std::function<void(const absl::Status&)>;
  void Write(std::vector<spool::WriteOp> ops, spool::Durability durability, Done done);

  // NotFound when absent; DataLoss when damaged.
  absl::StatusOr<std::string> ReadMessage(const MessageId& id) const;  // live records only
  absl::StatusOr<std::string> ReadChunk(const SegmentId& segment, uint32_t body,
                                        uint32_t index) const;
  absl::StatusOr<std::string> ReadMeta(std::string_view key) const;

  // Calls `visit` for each; stops when it returns false.
  absl::Status ScanSegments(
      const std::function<bool(const SegmentId&, std::string_view octets)>& visit) const;
  absl::Status ScanMessages(const SegmentId& segment, Seq from,
                            const std::function<bool(const StoredMessage&)>& visit) const;
  absl::Status ScanOutcomes(const SegmentId& segment,
                            const std::function<bool(const spool::LegOutcome&)>& visit) const;
  // The slots of [from, end), ascending, each with its outcomes as of the same
  // moment. What is damaged does not end the scan.
  absl::Status ScanForAudit(const SegmentId& segment, Seq from, Seq end,
                            const std::function<bool(const AuditedSlot&)>& visit) const;
  absl::Status ScanMeta(
      std::string_view prefix,
      const std::function<bool(std::string_view key, std::string_view value)>& visit) const;

  // Octets queued and not yet handed to RocksDB: the caller's back-pressure.
  size_t QueuedBytes() const;

  struct Counters {
    uint64_t commits = 0;  // RocksDB writes
    uint64_t synced_commits = 0;
    uint64_t operations = 0;
    double sync_seconds_sum = 0;                 // of synced commits
    std::vector<uint64_t> sync_seconds_buckets;  // 1 ms x 2^i, cumulative not
    uint64_t background_errors = 0;
    uint64_t pending_compaction_bytes = 0;
    uint64_t level0_files = 0;
    bool write_stopped = false;
  };
  Counters GetCounters() const;

 private:
  struct Impl;
  explicit SpoolStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fermo::node
