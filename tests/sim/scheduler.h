// Virtual time: what happens next, in order of time and then of asking.
//
// One thread; nothing waits. Owned by the Simulation; what is scheduled may
// schedule more.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "lib/base/time.h"

namespace fermo::sim {

class Scheduler {
 public:
  using Task = std::function<void()>;

  Instant now() const { return now_; }

  void At(Instant when, Task task) {
    heap_.push_back({std::max(when, now_), next_++, std::move(task)});
    std::push_heap(heap_.begin(), heap_.end(), Later);
  }
  void After(Duration span, Task task) { At(now_ + span, std::move(task)); }

  // Runs what is due until `end`, or until `done` says so; whether it did.
  template <class Done>
  bool RunUntil(Instant end, const Done& done) {
    while (!done()) {
      if (heap_.empty() || heap_.front().when > end) {
        now_ = end;
        return done();
      }
      std::pop_heap(heap_.begin(), heap_.end(), Later);
      Entry entry = std::move(heap_.back());
      heap_.pop_back();
      now_ = entry.when;
      entry.task();
    }
    return true;
  }

 private:
  struct Entry {
    Instant when;
    uint64_t order;
    Task task;
  };
  static bool Later(const Entry& a, const Entry& b) {
    return a.when != b.when ? a.when > b.when : a.order > b.order;
  }

  Instant now_{std::chrono::hours(1)};
  uint64_t next_ = 0;
  std::vector<Entry> heap_;
};

}  // namespace fermo::sim
