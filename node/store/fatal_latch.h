// Remembers the first failure after which nothing may be written any more, and
// tells it once.
//
// Threading: all calls from any thread. `on_fatal` is called once, on the
// thread that met the failure (the writer's, or one of RocksDB's background
// threads), and must only hand over. Failure: none.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>

#include "absl/status/status.h"

namespace fermo::node {

class FatalLatch {
 public:
  explicit FatalLatch(std::function<void(const absl::Status&)> on_fatal)
      : on_fatal_(std::move(on_fatal)) {}

  // REQUIRES: !reason.ok(). Only the first reason counts.
  void Trip(const absl::Status& reason);
  bool tripped() const { return tripped_.load(std::memory_order_acquire); }
  absl::Status reason() const;  // ok while not tripped

 private:
  const std::function<void(const absl::Status&)> on_fatal_;
  std::atomic<bool> tripped_{false};
  mutable std::mutex mutex_;
  absl::Status reason_;  // guarded by mutex_
};

}  // namespace fermo::node
