#include "node/store/options.h"

#include <algorithm>

#include "rocksdb/cache.h"
#include "rocksdb/convenience.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/table_properties_collectors.h"

namespace fermo::node {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr uint64_t kDaySeconds = 24 * 60 * 60;

struct Shape {
  size_t write_buffer = 4 * kMiB;
  int write_buffers = 2;
  bool point_reads = false;   // worth a Bloom filter
  bool many_deletes = false;  // worth compactions that follow deletions
  bool compress = false;
  uint64_t rewrite_after_days = 1;  // so that what was deleted leaves the disk
};

// By Family. Most bodies are deleted before their write buffer is full and so
// never reach an SST file. Those that do may wait for weeks: they are rewritten
// less often than the small families.
constexpr std::array<Shape, kFamilies> kShapes = {{
    {.write_buffer = 4 * kMiB},
    {.write_buffer = 32 * kMiB, .write_buffers = 3, .point_reads = true, .many_deletes = true},
    {.write_buffer = 64 * kMiB,
     .write_buffers = 4,
     .point_reads = true,
     .many_deletes = true,
     .compress = true,
     .rewrite_after_days = 7},
    {.write_buffer = 16 * kMiB, .write_buffers = 3, .many_deletes = true},
    {.write_buffer = 8 * kMiB, .write_buffers = 3, .many_deletes = true},
}};

bool HasLz4() {
  auto types = rocksdb::GetSupportedCompressions();
  return std::find(types.begin(), types.end(), rocksdb::kLZ4Compression) != types.end();
}

rocksdb::ColumnFamilyOptions MakeFamilyOptions(const Shape& shape,
                                               const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = shape.write_buffer;
  options.max_write_buffer_number = shape.write_buffers;
  options.compression =
      shape.compress && HasLz4() ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
  options.level_compaction_dynamic_level_bytes = true;
  options.target_file_size_base = 64 * kMiB;
  options.periodic_compaction_seconds = shape.rewrite_after_days * kDaySeconds;
  // RocksDB 7.8 may hang after a write stop: slow down early, stop late.
  options.level0_slowdown_writes_trigger = 20;
  options.level0_stop_writes_trigger = 120;
  if (shape.many_deletes) {
    options.table_properties_collector_factories.push_back(
        rocksdb::NewCompactOnDeletionCollectorFactory(1024, 512, 0.5));
  }
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.format_version = 5;
  if (shape.point_reads) table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

// What must hold for `250` to be true.
void SetDurability(rocksdb::DBOptions& options) {
  // A damaged file or a failed WAL write makes the database read-only.
  options.paranoid_checks = true;
  // Nothing is tried again after an error: the kernel may report a failed
  // fsync once only, and the next one would seem to succeed.
  options.max_bgerror_resume_count = 0;
  options.enable_pipelined_write = false;
  options.unordered_write = false;
  options.two_write_queues = false;
  options.manual_wal_flush = false;
  options.recycle_log_file_num = 0;
  options.wal_compression = rocksdb::kNoCompression;
  // A power cut tears the unsynced tail of the log. This mode opens such a log
  // up to the tear. It cannot tell a tear from damage in what was synced, which
  // is why a node that stopped uncleanly counts as suspect until its peers have
  // compared. The stricter modes would refuse to start after a power cut.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // Reports false corruption at open in RocksDB 7.8.
  options.track_and_verify_wals_in_manifest = false;
}

void SetHousekeeping(rocksdb::DBOptions& options) {
  options.max_total_wal_size = 512 * kMiB;  // and so the time that a restart replays
  options.max_manifest_file_size = 64 * kMiB;
  options.max_background_jobs = 2;
  options.max_open_files = -1;  // range deletions need the files' metadata at hand
  // Large content goes to the disk while it arrives, not all at its commit.
  options.wal_bytes_per_sync = 1 * kMiB;
  options.bytes_per_sync = 1 * kMiB;
  // Opening need not read every file; the sizes are still checked.
  options.skip_stats_update_on_db_open = true;
  // The info log lies in the data directory: at most 5 x 4 MiB.
  options.max_log_file_size = 4 * kMiB;
  options.keep_log_file_num = 5;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
}

}  // namespace

rocksdb::DBOptions MakeDatabaseOptions(bool create_if_missing,
                                       std::shared_ptr<rocksdb::EventListener> listener) {
  rocksdb::DBOptions options;
  options.create_if_missing = create_if_missing;
  // A crash while the database was being made may have left some out.
  options.create_missing_column_families = true;
  SetDurability(options);
  SetHousekeeping(options);
  options.listeners.push_back(std::move(listener));
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> MakeColumnFamilies() {
  auto cache = rocksdb::NewLRUCache(32 * kMiB);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  families.emplace_back(rocksdb::kDefaultColumnFamilyName, MakeFamilyOptions(Shape{}, cache));
  for (size_t i = 0; i < kFamilies; ++i) {
    families.emplace_back(kFamilyNames[i], MakeFamilyOptions(kShapes[i], cache));
  }
  return families;
}

}  // namespace fermo::node
