// RocksDB's errors as absl::Status. To be called at once on every result:
// rocksdb::Status may be ignored without a warning, ours may not.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "rocksdb/status.h"

namespace fermo::coordinator {

// `what`: what was being done, such as "open /var/lib/fermo". NotFound is
// NotFound; corruption is DataLoss; a lock held by another process is
// FailedPrecondition; everything else is Unavailable.
absl::Status FromRocksDb(const rocksdb::Status& status, std::string_view what);

}  // namespace fermo::coordinator
