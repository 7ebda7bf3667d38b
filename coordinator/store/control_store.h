// Where the coordinator keeps the cluster's configuration: keys and values
// with revisions, compare-and-swap over several keys, and a watch. The
// embedded store and etcd both fit behind it, so it promises no more than
// etcd's v3 API does.
//
// Ownership: the caller owns the store and destroys every Watch before it.
// Threading: all methods may be called from any thread; Get, Range and Commit
// block on the disk or the network and so belong on threads that may block.
// Failure: Unavailable when the store cannot be reached now, DataLoss when it
// is damaged, FailedPrecondition when the directory cannot be used at all. A
// failed Commit other than an unsuccessful comparison has an unknown outcome.
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

namespace fermo::coordinator {

struct KeyValue {
  std::string key;
  std::string value;
  uint64_t mod_revision = 0;  // revision of the commit that wrote it
  bool operator==(const KeyValue&) const = default;
};

struct RangePage {
  std::vector<KeyValue> items;  // ascending by key
  bool more = false;            // keys of the prefix follow the last item
  uint64_t revision = 0;        // of the store when the page was read
};

// The key must have this mod_revision; 0: the key must not exist.
struct Comparison {
  std::string key;
  uint64_t mod_revision = 0;
};

struct Mutation {
  std::string key;
  std::optional<std::string> value;  // absent: the key goes
  bool operator==(const Mutation&) const = default;
};

// All mutations happen at one revision, or none does. No key stands twice
// among the mutations.
struct Transaction {
  std::vector<Comparison> comparisons;
  std::vector<Mutation> mutations;
};

struct CommitResult {
  bool succeeded = false;  // false: a comparison did not hold, nothing changed
  uint64_t revision = 0;   // of this commit when it succeeded
};

// What one commit changed under the watched prefix.
struct Change {
  uint64_t revision = 0;
  std::vector<Mutation> mutations;
  bool operator==(const Change&) const = default;
};

// Ends its callbacks when destroyed: none runs afterwards. Destroying it waits
// for a running callback, unless that callback is what destroys it.
class Watch {
 public:
  virtual ~Watch() = default;
};

class ControlStore {
 public:
  // Changes in the order of their revisions, each once; or, as the last call
  // of this watch, the reason why it ends: OutOfRange when the store no longer
  // has the next revision (read everything again and watch from there).
  using WatchCallback = std::function<void(absl::StatusOr<std::vector<Change>>)>;

  virtual ~ControlStore() = default;

  // nullopt when there is no such key.
  virtual absl::StatusOr<std::optional<KeyValue>> Get(std::string_view key) = 0;

  // At most `limit` keys (from 1) that start with `prefix` and sort after
  // `after` (empty: from the first).
  virtual absl::StatusOr<RangePage> Range(std::string_view prefix, std::string_view after,
                                          size_t limit) = 0;

  // Durable when it returns OK with `succeeded`.
  virtual absl::StatusOr<CommitResult> Commit(const Transaction& transaction) = 0;

  // Calls back, on a thread of the store, with every change under `prefix`
  // whose revision is `from_revision` or higher.
  virtual absl::StatusOr<std::unique_ptr<Watch>> StartWatch(std::string_view prefix,
                                                            uint64_t from_revision,
                                                            WatchCallback callback) = 0;
};

}  // namespace fermo::coordinator
