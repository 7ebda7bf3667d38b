// The connected processes on the coordinator's executor: a ProcessTable that
// coroutines can wait for.
//
// Not thread-safe: lives on the executor given. The object must outlive the
// waiting coroutines. Nothing fails.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "coordinator/membership/process_table.h"
#include "lib/net/asio.h"
#include "lib/net/event.h"

namespace fermo::coordinator {

class Connected {
 public:
  explicit Connected(net::Executor executor) : executor_(std::move(executor)) {}

  const ProcessTable& table() const { return table_; }

  // As of ProcessTable.
  std::vector<uint64_t> Add(Process process);
  void Acknowledge(uint64_t stream, uint64_t generation);
  void Remove(uint64_t stream, WallTime now);

  // Waits until every process that is connected runs on `generation` or a
  // later one, but not longer than `limit`. The count is that of the end.
  net::Awaitable<AppliedCount> WaitApplied(uint64_t generation, Duration limit);

 private:
  struct Waiter {
    uint64_t generation;
    std::shared_ptr<net::Event> event;
  };
  void WakeSatisfied();

  net::Executor executor_;
  ProcessTable table_;
  std::vector<Waiter> waiters_;
};

}  // namespace fermo::coordinator
