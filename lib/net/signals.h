// SIGTERM and SIGINT drain, SIGHUP reloads.
//
// Lives in main, on the executor of the program, until that has stopped. The
// second SIGTERM or SIGINT ends the process at once with 128 + signal.
#pragma once

#include <functional>
#include <memory>

#include "lib/base/log.h"
#include "lib/net/asio.h"

namespace fermo::net {

class Signals {
 public:
  // Callbacks run on `executor`; `reload` may be empty, and then SIGHUP is only logged.
  Signals(Executor executor, Logger log, std::function<void()> drain, std::function<void()> reload);
  ~Signals();

  // Stops listening, so that the executor can run out of work. Call on the executor.
  void Close();

 private:
  struct State;
  static Awaitable<void> Watch(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace fermo::net
