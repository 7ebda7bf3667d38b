#include "node/store/writer.h"

#include <algorithm>
#include <utility>

#include "node/store/status.h"

namespace fermo::node {
namespace {

// Range deletions that lie in memory slow down every read of their family; in
// a file they are cheap. Flush after this many deleted segments.
constexpr size_t kFlushAfterSegments = 64;

size_t BucketOf(Duration spent) {
  size_t bucket = 0;
  for (Duration bound = std::chrono::milliseconds(1); spent > bound; bound *= 2) {
    if (++bucket == Writer::kBuckets - 1) break;
  }
  return bucket;
}

}  // namespace

Writer::Writer(const Database& database, std::shared_ptr<FatalLatch> latch)
    : database_(database), latch_(std::move(latch)), batch_(database) {
  thread_ = std::thread([this] { Run(); });
}

Writer::~Writer() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Writer::Write(std::vector<spool::WriteOp> ops, spool::Durability durability, Done done) {
  Pending pending;
  for (const spool::WriteOp& op : ops) pending.bytes += SizeOf(op);
  pending.ops = std::move(ops);
  pending.synced = durability == spool::Durability::kSynced;
  pending.queued_at = BootClock::now();
  pending.done = std::move(done);
  queued_bytes_.fetch_add(pending.bytes, std::memory_order_relaxed);
  {
    std::lock_guard lock(mutex_);
    waiting_urgent_ += pending.Urgent() ? 1 : 0;
    waiting_bytes_ += pending.bytes;
    queue_.push_back(std::move(pending));
  }
  wake_.notify_one();
}

Writer::Counters Writer::GetCounters() const {
  std::lock_guard lock(mutex_);
  return counters_;
}

void Writer::Run() {
  while (true) {
    Group group = TakeGroup();
    if (group.empty()) return;
    absl::Status status = Commit(group);
    size_t bytes = 0;
    for (const Pending& pending : group) bytes += pending.bytes;
    queued_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    for (Pending& pending : group) {
      if (pending.done) pending.done(status);
    }
    FlushAfterDeletions();
  }
}

Writer::Group Writer::TakeGroup() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  if (queue_.empty()) return {};
  AwaitUrgentWrite(lock);
  Group group;
  size_t bytes = 0;
  while (!queue_.empty()) {
    Pending& next = queue_.front();
    if (!group.empty() && bytes + next.bytes > kMaxBatchBytes) break;
    bytes += next.bytes;
    waiting_bytes_ -= next.bytes;
    waiting_urgent_ -= next.Urgent() ? 1 : 0;
    group.push_back(std::move(next));
    queue_.pop_front();
  }
  return group;
}

// Chunks of large mail arrive unsynced, one by one: together they cost one
// write. Nobody waits long for it.
void Writer::AwaitUrgentWrite(std::unique_lock<std::mutex>& lock) {
  Instant deadline = queue_.front().queued_at + kUnsyncedDelay;
  while (!stopping_ && waiting_urgent_ == 0 && waiting_bytes_ < kMaxBatchBytes) {
    Duration left = deadline - BootClock::now();
    if (left <= Duration::zero()) return;
    wake_.wait_for(lock, left);
  }
}

absl::Status Writer::Commit(const Group& group) {
  if (latch_->tripped()) return latch_->reason();
  bool synced = false;
  rocksdb::Status built;
  batch_.Clear();
  for (const Pending& pending : group) {
    synced = synced || pending.synced;
    for (const spool::WriteOp& op : pending.ops) {
      if (built.ok()) built = batch_.Add(op);
    }
  }
  absl::Status status = FromRocksDb(built, "cannot form a batch for the spool");
  if (status.ok()) status = Apply(synced);
  if (!status.ok()) latch_->Trip(status);
  return status;
}

absl::Status Writer::Apply(bool synced) {
  rocksdb::WriteOptions options;
  options.sync = synced;
  Instant begin = BootClock::now();
  rocksdb::Status written = database_->Write(options, batch_.get());
  if (!written.ok()) return FromRocksDb(written, "cannot write to the spool");
  deletions_since_flush_ += batch_.deleted_segments();
  Count(synced, BootClock::now() - begin);
  return absl::OkStatus();
}

void Writer::Count(bool synced, Duration spent) {
  std::lock_guard lock(mutex_);
  ++counters_.commits;
  counters_.operations += batch_.operations();
  if (!synced) return;
  ++counters_.synced_commits;
  counters_.sync_seconds_sum += std::chrono::duration<double>(spent).count();
  ++counters_.sync_seconds_buckets[BucketOf(spent)];
}

void Writer::FlushAfterDeletions() {
  if (deletions_since_flush_ < kFlushAfterSegments || latch_->tripped()) return;
  deletions_since_flush_ = 0;
  rocksdb::FlushOptions options;
  options.wait = false;
  options.allow_write_stall = true;
  std::vector<rocksdb::ColumnFamilyHandle*> families = {database_.family(Family::kMessage),
                                                        database_.family(Family::kBody),
                                                        database_.family(Family::kRecipient)};
  // Failures of the flush itself reach the latch as background errors.
  database_->Flush(options, families).PermitUncheckedError();
}

}  // namespace fermo::node
