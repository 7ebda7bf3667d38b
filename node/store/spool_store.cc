#include "node/store/spool_store.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "fmt/format.h"
#include "lib/spool/keys.h"
#include "lib/spool/slot.h"
#include "node/store/spool_store_impl.h"
#include "node/store/status.h"

namespace fermo::node {
namespace {

uint64_t SumOverFamilies(const Database& database, const rocksdb::Slice& property) {
  uint64_t sum = 0;
  return database->GetAggregatedIntProperty(property, &sum) ? sum : 0;
}

// The fullest family decides about slowing down and stopping writes.
uint64_t MostLevel0Files(const Database& database) {
  uint64_t most = 0;
  for (size_t i = 0; i < kFamilies; ++i) {
    std::string text;
    uint64_t files = 0;
    if (!database->GetProperty(database.family(static_cast<Family>(i)),
                               rocksdb::DB::Properties::kNumFilesAtLevelPrefix + "0", &text)) {
      continue;
    }
    std::from_chars(text.data(), text.data() + text.size(), files);
    most = std::max(most, files);
  }
  return most;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SpoolStore>> SpoolStore::Open(StoreOptions options) {
  auto latch = std::make_shared<FatalLatch>(std::move(options.on_fatal));
  auto database = Database::Open(options.directory, options.create_if_missing, latch);
  if (!database.ok()) return database.status();
  auto impl = std::make_unique<Impl>(std::move(latch), *std::move(database));
  return std::unique_ptr<SpoolStore>(new SpoolStore(std::move(impl)));
}

SpoolStore::SpoolStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

SpoolStore::~SpoolStore() = default;

void SpoolStore::Write(std::vector<spool::WriteOp> ops, spool::Durability durability, Done done) {
  impl_->writer.Write(std::move(ops), durability, std::move(done));
}

size_t SpoolStore::QueuedBytes() const { return impl_->writer.QueuedBytes(); }

absl::StatusOr<std::string> SpoolStore::ReadMessage(const MessageId& id) const {
  std::string what = fmt::format("message {}", ToString(id));
  auto octets = impl_->Get(Family::kMessage, spool::MessageKey(id.segment, id.seq).view(), what);
  if (!octets.ok()) return octets.status();
  auto slot = spool::DecodeSlot(*octets);
  if (!slot.ok()) return absl::DataLossError(fmt::format("{}: {}", what, slot.status().ToString()));
  if (slot->kind != spool::Slot::Kind::kLive) {
    return absl::NotFoundError(fmt::format("{} is no longer live", what));
  }
  return std::string(slot->record);
}

absl::StatusOr<std::string> SpoolStore::ReadChunk(const SegmentId& segment, uint32_t body,
                                                  uint32_t index) const {
  return impl_->Get(Family::kBody, spool::BodyKey(segment, body, index).view(),
                    fmt::format("chunk {} of body {} of {}", index, body, ToString(segment)));
}

absl::StatusOr<std::string> SpoolStore::ReadMeta(std::string_view key) const {
  return impl_->Get(Family::kMeta, key, fmt::format("meta \"{}\"", key));
}

SpoolStore::Counters SpoolStore::GetCounters() const {
  const Database& database = *impl_->database;
  Writer::Counters written = impl_->writer.GetCounters();
  Counters counters;
  counters.commits = written.commits;
  counters.synced_commits = written.synced_commits;
  counters.operations = written.operations;
  counters.sync_seconds_sum = written.sync_seconds_sum;
  counters.sync_seconds_buckets.assign(written.sync_seconds_buckets.begin(),
                                       written.sync_seconds_buckets.end());
  counters.background_errors = database.background_errors();
  counters.pending_compaction_bytes =
      SumOverFamilies(database, rocksdb::DB::Properties::kEstimatePendingCompactionBytes);
  counters.level0_files = MostLevel0Files(database);
  uint64_t stopped = 0;
  database->GetIntProperty(rocksdb::DB::Properties::kIsWriteStopped, &stopped);
  counters.write_stopped = stopped != 0;
  return counters;
}

}  // namespace fermo::node
