#include "coordinator/membership/connected.h"

#include <utility>

namespace fermo::coordinator {

std::vector<uint64_t> Connected::Add(Process process) {
  std::vector<uint64_t> replaced = table_.Add(std::move(process));
  WakeSatisfied();  // a replaced stream may have been the one that was behind
  return replaced;
}

void Connected::Acknowledge(uint64_t stream, uint64_t generation) {
  table_.Acknowledge(stream, generation);
  WakeSatisfied();
}

void Connected::Remove(uint64_t stream, WallTime now) {
  table_.Remove(stream, now);
  WakeSatisfied();
}

void Connected::WakeSatisfied() {
  std::erase_if(waiters_, [this](const Waiter& waiter) {
    const AppliedCount count = table_.CountApplied(waiter.generation);
    if (count.applied < count.processes) return false;
    waiter.event->Set();
    return true;
  });
}

net::Awaitable<AppliedCount> Connected::WaitApplied(uint64_t generation, Duration limit) {
  auto event = std::make_shared<net::Event>(executor_);
  Waiter waiter{generation, event};
  waiters_.push_back(std::move(waiter));
  WakeSatisfied();
  co_await event->WaitFor(limit);
  std::erase_if(waiters_, [&event](const Waiter& left) { return left.event == event; });
  co_return table_.CountApplied(generation);
}

}  // namespace fermo::coordinator
