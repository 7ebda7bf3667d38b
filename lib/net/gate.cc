#include "lib/net/gate.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <mutex>

#include "lib/net/event.h"

namespace fermo::net {

struct Gate::State {
  explicit State(Executor executor)
      : strand(asio::make_strand(std::move(executor))), empty(strand) {}

  mutable std::mutex mutex;
  size_t count = 0;     // under mutex
  bool closed = false;  // under mutex
  Executor strand;
  Event empty;  // on strand
};

namespace {

// Keeps the state alive while the strand sets the event.
template <class State>
void Announce(std::shared_ptr<State> state) {
  const Executor strand = state->strand;
  asio::post(strand, [state = std::move(state)] { state->empty.Set(); });
}

// Keeps the state alive while somebody waits.
template <class State>
Awaitable<bool> Wait(std::shared_ptr<State> state, Duration d) {
  const bool empty = co_await state->empty.WaitFor(d);
  co_return empty;
}

}  // namespace

Gate::Gate(Executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

std::optional<Gate::Pass> Gate::TryEnter() {
  std::lock_guard lock(state_->mutex);
  if (state_->closed) return std::nullopt;
  ++state_->count;
  return Pass(state_);
}

Gate::Pass::~Pass() {
  if (!state_) return;
  bool last = false;
  {
    std::lock_guard lock(state_->mutex);
    last = --state_->count == 0 && state_->closed;
  }
  if (last) Announce(std::move(state_));
}

void Gate::Close() {
  bool empty = false;
  {
    std::lock_guard lock(state_->mutex);
    state_->closed = true;
    empty = state_->count == 0;
  }
  if (empty) Announce(state_);
}

bool Gate::closed() const {
  std::lock_guard lock(state_->mutex);
  return state_->closed;
}

size_t Gate::count() const {
  std::lock_guard lock(state_->mutex);
  return state_->count;
}

Awaitable<bool> Gate::WaitUntilEmpty(Duration d) {
  const Executor strand = state_->strand;
  return asio::co_spawn(strand, Wait(state_, d), asio::use_awaitable);
}

}  // namespace fermo::net
