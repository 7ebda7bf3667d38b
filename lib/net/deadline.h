// A deadline that can be moved for free: one timer for a whole session.
//
// Boost 1.81 has no cancel_after, and `read || timer` costs two coroutine
// frames, a timer operation and a cancellation for each read. Here arming only
// stores the time; the timer wakes at the earliest time it was ever set to,
// sees that the deadline has moved on, and sleeps again. A session that slides a
// five-minute timeout forward a thousand times a second touches the timer queue
// once in five minutes. It also closes a race: an expiry that was already queued
// when its operation finished finds the deadline moved and cancels nothing.
//
// Not thread-safe: lives on the executor (strand) of what it guards. Destroying
// it stops it; `on_expiry` is never called afterwards.
#pragma once

#include <functional>
#include <memory>

#include "lib/base/time.h"
#include "lib/net/asio.h"

namespace fermo::net {

class Deadline {
 public:
  // `on_expiry` typically cancels the operations of one socket. It is called on
  // `executor`, once for each Arm that runs out.
  Deadline(Executor executor, std::function<void()> on_expiry);
  ~Deadline();
  Deadline(Deadline&&) noexcept = default;
  Deadline& operator=(Deadline&&) noexcept = delete;

  // Expires `d` from now, instead of when it would have; clears expired().
  void Arm(Duration d);
  // No expiry until the next Arm; expired() keeps its value. The timer sleeps on,
  // so the io_context's run() may not return before its time.
  void Disarm();
  // Disarm for good: the timer is given back, too. For owners that stop long
  // before they are destroyed.
  void Cancel();
  // Whether the last Arm ran out.
  bool expired() const;

 private:
  struct State;
  static void Wait(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace fermo::net
