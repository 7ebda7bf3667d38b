#include "coordinator/store/rocksdb_control_store.h"

#include <algorithm>
#include <utility>

#include "coordinator/store/rocksdb_status.h"
#include "fmt/format.h"
#include "rocksdb/db.h"
#include "rocksdb/listener.h"
#include "rocksdb/options.h"
#include "rocksdb/write_batch.h"

namespace fermo::coordinator {
namespace {

// Keys of the configuration start with 'k', our own with 'm'.
constexpr char kDataPrefix = 'k';
constexpr char kRevisionKey[] = "mrevision";
constexpr char kFormatKey[] = "mformat";
constexpr char kFormat[] = "1";

std::string DataKey(std::string_view key) { return fmt::format("{}{}", kDataPrefix, key); }

std::string EncodeRevision(uint64_t revision) {
  std::string text(8, '\0');
  for (int i = 0; i < 8; ++i) text[i] = static_cast<char>(revision >> (56 - 8 * i));
  return text;
}

absl::StatusOr<uint64_t> DecodeRevision(std::string_view text) {
  if (text.size() < 8) return absl::DataLossError("a value is shorter than its revision");
  uint64_t revision = 0;
  for (int i = 0; i < 8; ++i) revision = revision << 8 | static_cast<unsigned char>(text[i]);
  return revision;
}

// Small by design: a configuration is a few megabytes.
rocksdb::Options MakeOptions() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = 4 << 20;
  options.max_background_jobs = 2;
  options.keep_log_file_num = 4;
  options.max_log_file_size = 4 << 20;
  // A sync that failed is never tried again by RocksDB itself.
  options.max_bgerror_resume_count = 0;
  options.paranoid_checks = true;
  return options;
}

}  // namespace

class RocksDbControlStore::Latch {
 public:
  explicit Latch(std::function<void(const absl::Status&)> on_broken)
      : on_broken_(std::move(on_broken)) {}

  void Break(const absl::Status& status) {
    {
      absl::MutexLock lock(&mutex_);
      if (!status_.ok()) return;
      status_ = status;
    }
    if (on_broken_) on_broken_(status);
  }
  absl::Status status() const {
    absl::MutexLock lock(&mutex_);
    return status_;
  }
  // Breaks on every error and hands it on.
  absl::Status Check(const rocksdb::Status& status, std::string_view what) {
    absl::Status translated = FromRocksDb(status, what);
    if (!translated.ok()) Break(translated);
    return translated;
  }

 private:
  const std::function<void(const absl::Status&)> on_broken_;
  mutable absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

class RocksDbControlStore::Listener : public rocksdb::EventListener {
 public:
  explicit Listener(std::shared_ptr<Latch> latch) : latch_(std::move(latch)) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    if (status->severity() < rocksdb::Status::Severity::kHardError) return;
    latch_->Break(FromRocksDb(*status, "background work of the control store"));
  }
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }

 private:
  std::shared_ptr<Latch> latch_;
};

RocksDbControlStore::RocksDbControlStore(std::shared_ptr<Latch> latch,
                                         std::unique_ptr<rocksdb::DB> db, uint64_t revision,
                                         size_t watched_changes)
    : latch_(std::move(latch)),
      db_(std::move(db)),
      revision_(revision),
      dispatcher_(revision, watched_changes) {}

RocksDbControlStore::~RocksDbControlStore() = default;

absl::StatusOr<std::unique_ptr<RocksDbControlStore>> RocksDbControlStore::Open(
    RocksDbControlStoreOptions options) {
  auto latch = std::make_shared<Latch>(std::move(options.on_broken));
  rocksdb::Options db_options = MakeOptions();
  db_options.listeners.push_back(std::make_shared<Listener>(latch));
  rocksdb::DB* raw = nullptr;
  absl::Status opened = FromRocksDb(rocksdb::DB::Open(db_options, options.directory, &raw),
                                    fmt::format("open {}", options.directory));
  if (!opened.ok()) return opened;
  std::unique_ptr<rocksdb::DB> db(raw);
  absl::StatusOr<uint64_t> revision = LoadRevision(*db);
  if (!revision.ok()) return revision.status();
  return std::unique_ptr<RocksDbControlStore>(
      new RocksDbControlStore(std::move(latch), std::move(db), *revision, options.watched_changes));
}

absl::StatusOr<uint64_t> RocksDbControlStore::LoadRevision(rocksdb::DB& db) {
  std::string format;
  absl::Status read = FromRocksDb(db.Get({}, kFormatKey, &format), "read the store's format");
  if (absl::IsNotFound(read)) {
    rocksdb::WriteBatch batch;
    batch.Put(kFormatKey, kFormat);
    batch.Put(kRevisionKey, EncodeRevision(0));
    rocksdb::WriteOptions synced;
    synced.sync = true;
    absl::Status made = FromRocksDb(db.Write(synced, &batch), "prepare the store");
    if (!made.ok()) return made;
    return uint64_t{0};
  }
  if (!read.ok()) return read;
  if (format != kFormat) {
    return absl::FailedPreconditionError(fmt::format(
        "the control store has format {}, this version reads format {}", format, kFormat));
  }
  std::string revision;
  read = FromRocksDb(db.Get({}, kRevisionKey, &revision), "read the store's revision");
  if (!read.ok()) return absl::DataLossError(std::string(read.message()));
  return DecodeRevision(revision);
}

absl::Status RocksDbControlStore::Health() const { return latch_->status(); }

absl::StatusOr<std::optional<KeyValue>> RocksDbControlStore::Get(std::string_view key) {
  if (absl::Status health = Health(); !health.ok()) return health;
  std::string stored;
  const rocksdb::Status status = db_->Get({}, DataKey(key), &stored);
  if (status.IsNotFound()) return std::nullopt;
  if (absl::Status read = latch_->Check(status, "read the control store"); !read.ok()) return read;
  absl::StatusOr<uint64_t> revision = DecodeRevision(stored);
  if (!revision.ok()) return revision.status();
  return KeyValue{std::string(key), stored.substr(8), *revision};
}

absl::StatusOr<RangePage> RocksDbControlStore::Range(std::string_view prefix,
                                                     std::string_view after, size_t limit) {
  if (absl::Status health = Health(); !health.ok()) return health;
  // One snapshot, so that the page and its revision belong together.
  std::shared_ptr<const rocksdb::Snapshot> snapshot(
      db_->GetSnapshot(), [this](const rocksdb::Snapshot* old) { db_->ReleaseSnapshot(old); });
  rocksdb::ReadOptions options;
  options.snapshot = snapshot.get();
  std::string stored;
  absl::Status read = latch_->Check(db_->Get(options, kRevisionKey, &stored), "read the revision");
  if (!read.ok()) return read;
  absl::StatusOr<uint64_t> revision = DecodeRevision(stored);
  if (!revision.ok()) return revision.status();

  RangePage page;
  page.revision = *revision;
  const std::string first = DataKey(prefix);
  const std::string behind = DataKey(after);
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
  for (it->Seek(std::max(first, behind)); it->Valid(); it->Next()) {
    const std::string_view key(it->key().data(), it->key().size());
    if (!key.starts_with(first)) break;
    if (!after.empty() && key == behind) continue;
    if (page.items.size() == limit) {
      page.more = true;
      break;
    }
    const std::string_view value(it->value().data(), it->value().size());
    absl::StatusOr<uint64_t> modified = DecodeRevision(value);
    if (!modified.ok()) return modified.status();
    page.items.push_back({std::string(key.substr(1)), std::string(value.substr(8)), *modified});
  }
  read = latch_->Check(it->status(), "scan the control store");
  if (!read.ok()) return read;
  return page;
}

absl::StatusOr<bool> RocksDbControlStore::Holds(const Transaction& transaction) {
  for (const Comparison& comparison : transaction.comparisons) {
    auto found = Get(comparison.key);
    if (!found.ok()) return found.status();
    const uint64_t present = found->has_value() ? (*found)->mod_revision : 0;
    if (present != comparison.mod_revision) return false;
  }
  return true;
}

absl::Status RocksDbControlStore::Write(rocksdb::WriteBatch& batch, std::string_view what) {
  rocksdb::WriteOptions synced;
  synced.sync = true;
  return latch_->Check(db_->Write(synced, &batch), what);
}

absl::StatusOr<CommitResult> RocksDbControlStore::Commit(const Transaction& transaction) {
  absl::MutexLock lock(&commit_mutex_);
  if (absl::Status health = Health(); !health.ok()) return health;
  absl::StatusOr<bool> holds = Holds(transaction);
  if (!holds.ok()) return holds.status();
  if (!*holds) return CommitResult{};

  const uint64_t revision = revision_ + 1;
  rocksdb::WriteBatch batch;
  for (const Mutation& mutation : transaction.mutations) {
    if (mutation.value) {
      batch.Put(DataKey(mutation.key), EncodeRevision(revision) + *mutation.value);
    } else {
      batch.Delete(DataKey(mutation.key));
    }
  }
  batch.Put(kRevisionKey, EncodeRevision(revision));
  if (absl::Status written = Write(batch, "write the control store"); !written.ok()) {
    return written;
  }
  revision_ = revision;
  dispatcher_.Append({revision, transaction.mutations});
  return CommitResult{true, revision};
}

absl::StatusOr<std::unique_ptr<Watch>> RocksDbControlStore::StartWatch(std::string_view prefix,
                                                                       uint64_t from_revision,
                                                                       WatchCallback callback) {
  if (absl::Status health = Health(); !health.ok()) return health;
  return dispatcher_.Start(prefix, from_revision, std::move(callback));
}

}  // namespace fermo::coordinator
