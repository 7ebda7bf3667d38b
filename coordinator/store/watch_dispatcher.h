// Feeds the watches of an embedded store from its change log, on one thread.
//
// Ownership: owns the thread and the log; watches refer to it and must be
// destroyed first. Threading: every method may be called from any thread;
// callbacks run on the dispatcher's own thread, one at a time. Failure: a
// watch that falls behind the log gets OutOfRange and ends. Memory: the log
// and one batch; nothing is queued per watch.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "coordinator/store/change_log.h"
#include "coordinator/store/control_store.h"

namespace fermo::coordinator {

class WatchDispatcher {
 public:
  // See ChangeLog for `revision` and `capacity`.
  WatchDispatcher(uint64_t revision, size_t capacity);
  ~WatchDispatcher();
  WatchDispatcher(const WatchDispatcher&) = delete;
  WatchDispatcher& operator=(const WatchDispatcher&) = delete;

  void Append(Change change) ABSL_LOCKS_EXCLUDED(mutex_);
  uint64_t last_revision() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::unique_ptr<Watch> Start(std::string_view prefix, uint64_t from_revision,
                               ControlStore::WatchCallback callback) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Subscription {
    std::string prefix;
    uint64_t next_revision = 0;
    std::shared_ptr<const ControlStore::WatchCallback> callback;
  };
  using Subscriptions = std::list<Subscription>;
  class Handle;

  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  void ServeOne(Subscriptions::iterator subscription) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Subscriptions::iterator FindDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Stop(Subscriptions::iterator subscription) ABSL_LOCKS_EXCLUDED(mutex_);

  mutable absl::Mutex mutex_;
  ChangeLog log_ ABSL_GUARDED_BY(mutex_);
  Subscriptions subscriptions_ ABSL_GUARDED_BY(mutex_);
  // The subscription whose callback runs now, if it still stands.
  const Subscription* running_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace fermo::coordinator
