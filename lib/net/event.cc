#include "lib/net/event.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <utility>
#include <vector>

namespace fermo::net {

struct Event::State {
  explicit State(Executor e) : executor(std::move(e)) {}
  Executor executor;
  bool set = false;
  uint64_t sets = 0;  // counts Set, so that a waiter sees one that was reset since
  std::vector<asio::steady_timer*> waiters;
};

namespace {

// A waiter's timer, in the list for as long as the waiter lives.
class ListedTimer {
 public:
  ListedTimer(Executor executor, std::vector<asio::steady_timer*>* list)
      : timer_(std::move(executor)), list_(*list) {
    list_.push_back(&timer_);
  }
  ListedTimer(const ListedTimer&) = delete;
  ListedTimer& operator=(const ListedTimer&) = delete;
  ~ListedTimer() { list_.erase(std::find(list_.begin(), list_.end(), &timer_)); }
  asio::steady_timer& get() { return timer_; }

 private:
  asio::steady_timer timer_;
  std::vector<asio::steady_timer*>& list_;
};

}  // namespace

Event::Event(Executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

void Event::Set() {
  state_->set = true;
  ++state_->sets;
  for (asio::steady_timer* waiter : state_->waiters) waiter->cancel();
}

void Event::Reset() { state_->set = false; }

bool Event::is_set() const { return state_->set; }

// Not itself a coroutine, so that nothing of it depends on `this` later.
Awaitable<bool> Event::WaitFor(Duration d) { return Wait(state_, d); }

Awaitable<bool> Event::Wait(std::shared_ptr<State> state, Duration d) {
  if (state->set) co_return true;
  const uint64_t before = state->sets;
  ListedTimer timer(state->executor, &state->waiters);
  timer.get().expires_after(d);
  co_await timer.get().async_wait(kAwait);
  co_return state->sets != before;
}

}  // namespace fermo::net
