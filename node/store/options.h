// How the spool's RocksDB is set up: one place for every option, each with its
// reason. Pure functions.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/listener.h"
#include "rocksdb/options.h"

namespace fermo::node {

// The column families, in the order in which they are opened.
enum class Family : size_t { kSegment, kMessage, kBody, kRecipient, kMeta };
inline constexpr size_t kFamilies = 5;
inline constexpr std::array<const char*, kFamilies> kFamilyNames = {"segment", "message", "body",
                                                                    "recipient", "meta"};

rocksdb::DBOptions MakeDatabaseOptions(bool create_if_missing,
                                       std::shared_ptr<rocksdb::EventListener> listener);

// RocksDB's own default family, which stays empty, then ours.
std::vector<rocksdb::ColumnFamilyDescriptor> MakeColumnFamilies();

}  // namespace fermo::node
