#include "lib/net/signals.h"

#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <utility>

namespace fermo::net {

struct Signals::State {
  State(Executor executor, Logger logger, std::function<void()> on_drain,
        std::function<void()> on_reload)
      : set(std::move(executor), SIGTERM, SIGINT, SIGHUP),
        log(std::move(logger)),
        drain(std::move(on_drain)),
        reload(std::move(on_reload)) {}

  asio::signal_set set;
  Logger log;
  std::function<void()> drain;
  std::function<void()> reload;
  bool draining = false;
  bool closed = false;
};

Signals::Signals(Executor executor, Logger log, std::function<void()> drain,
                 std::function<void()> reload)
    : state_(
          std::make_shared<State>(executor, std::move(log), std::move(drain), std::move(reload))) {
  Spawn(executor, Watch(state_));
}

Signals::~Signals() { Close(); }

void Signals::Close() {
  ErrorCode ignored;
  state_->closed = true;
  state_->set.cancel(ignored);
}

Awaitable<void> Signals::Watch(std::shared_ptr<State> state) {
  while (!state->closed) {
    const auto [error, signal] = co_await state->set.async_wait(kAwait);
    if (error || state->closed) co_return;
    if (signal == SIGHUP) {
      state->log.Info("reload_requested", {{log::kSignal, "SIGHUP"}});
      if (state->reload) state->reload();
      continue;
    }
    if (state->draining) _exit(128 + signal);
    state->draining = true;
    state->log.Info("drain_started", {{log::kSignal, signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
    state->drain();
  }
}

}  // namespace fermo::net
