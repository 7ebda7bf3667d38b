#include "lib/net/deadline.h"

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <utility>

namespace fermo::net {

using Clock = std::chrono::steady_clock;

struct Deadline::State {
  State(Executor executor, std::function<void()> callback)
      : timer(std::move(executor)), on_expiry(std::move(callback)) {}

  asio::steady_timer timer;
  std::function<void()> on_expiry;
  Clock::time_point due;     // when it expires, if armed
  Clock::time_point wake;    // when the timer looks next, if waiting
  uint64_t wait_number = 0;  // tells the present wait from those it replaced
  bool armed = false;
  bool expired = false;
  bool waiting = false;
};

Deadline::Deadline(Executor executor, std::function<void()> on_expiry)
    : state_(std::make_shared<State>(std::move(executor), std::move(on_expiry))) {}

Deadline::~Deadline() {
  if (state_) Cancel();
}

void Deadline::Arm(Duration d) {
  State& state = *state_;
  state.due = Clock::now() + d;
  state.armed = true;
  state.expired = false;
  // A wait that ends earlier will see the new time by itself.
  if (state.waiting && state.wake <= state.due) return;
  state.wake = state.due;
  Wait(state_);
}

void Deadline::Disarm() { state_->armed = false; }

void Deadline::Cancel() {
  Disarm();
  ++state_->wait_number;
  state_->waiting = false;
  state_->timer.cancel();
}

bool Deadline::expired() const { return state_->expired; }

void Deadline::Wait(std::shared_ptr<State> state) {
  State& s = *state;
  s.waiting = true;
  s.timer.expires_at(s.wake);
  const uint64_t number = ++s.wait_number;
  s.timer.async_wait([state = std::move(state), number](const ErrorCode&) {
    if (state->wait_number != number) return;  // replaced, or the owner is gone
    state->waiting = false;
    if (!state->armed) return;
    if (Clock::now() < state->due) {
      state->wake = state->due;
      Wait(state);
      return;
    }
    state->armed = false;
    state->expired = true;
    state->on_expiry();
  });
}

}  // namespace fermo::net
