// What SpoolStore hides from those who include it: RocksDB and the writer.
// Internal to this folder. Ownership and threading as in spool_store.h.
#pragma once

#include <atomic>
#include <memory>

#include "node/store/database.h"
#include "node/store/fatal_latch.h"
#include "node/store/spool_store.h"
#include "node/store/writer.h"

namespace fermo::node {

// Destroyed from below: the writer finishes before the database closes.
struct SpoolStore::Impl {
  Impl(std::shared_ptr<FatalLatch> fatal, std::unique_ptr<Database> open)
      : latch(std::move(fatal)), database(std::move(open)), writer(*database, latch) {}

  // Reads one value. NotFound, DataLoss or Unavailable, saying `what`.
  absl::StatusOr<std::string> Get(Family family, std::string_view key, std::string_view what) const;

  // Visits the keys in [begin, end), or to the end of the family when `end` is
  // empty. Stops, and returns it, at the first status that is not ok;
  // Cancelled means that the visitor has seen enough, and is returned as ok.
  using Visit = std::function<absl::Status(std::string_view key, std::string_view value)>;
  absl::Status Scan(Family family, std::string_view begin, std::string_view end,
                    std::string_view what, const Visit& visit) const;

  std::shared_ptr<FatalLatch> latch;
  std::unique_ptr<Database> database;
  Writer writer;
};

}  // namespace fermo::node
