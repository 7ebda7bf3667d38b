// RocksDB's statuses as ours. Pure; no failure.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "rocksdb/status.h"

namespace fermo::node {

// NotFound for what is absent, DataLoss for damage, Unavailable for trouble of
// the disk, Internal for the rest; `doing` begins the message.
absl::Status FromRocksDb(const rocksdb::Status& status, std::string_view doing);

}  // namespace fermo::node
