// A flag that coroutines of one executor can wait for.
//
// Not thread-safe: Set, Reset and WaitFor run on the executor (strand) given;
// from elsewhere, post. It may be destroyed while somebody waits; that wait then
// ends by its own time limit.
#pragma once

#include <cstdint>
#include <memory>

#include "lib/base/time.h"
#include "lib/net/asio.h"

namespace fermo::net {

class Event {
 public:
  explicit Event(Executor executor);
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // Wakes all who wait, also if Reset follows at once, and all who come later
  // until Reset.
  void Set();
  void Reset();
  bool is_set() const;

  // True once set, false when `d` has passed or the coroutine was cancelled.
  Awaitable<bool> WaitFor(Duration d);

 private:
  struct State;
  static Awaitable<bool> Wait(std::shared_ptr<State> state, Duration d);
  std::shared_ptr<State> state_;
};

}  // namespace fermo::net
