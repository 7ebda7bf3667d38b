#include "lib/net/listener.h"

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/net/stream.h"

namespace fermo::net {

struct Listener::State {
  State(Executor e, Options o)
      : executor(std::move(e)),
        strand(asio::make_strand(executor)),
        options(std::move(o)),
        acceptor(strand),
        pause(strand) {}

  Executor executor;
  Executor strand;
  const Options options;
  Tcp::acceptor acceptor;
  asio::steady_timer pause;
  Handler handler;
  HostPort local;
  bool closed = false;  // on strand
  std::atomic<uint64_t> pauses = 0;

  absl::Status Bind(const HostPort& place);
  void Deliver(Tcp::socket socket);
};

absl::Status Listener::State::Bind(const HostPort& place) {
  const absl::StatusOr<Tcp::endpoint> endpoint = ToEndpoint(place);
  if (!endpoint.ok()) return endpoint.status();
  ErrorCode error;
  acceptor.open(endpoint->protocol(), error);
  // Not to wait for connections of an earlier process in TIME_WAIT.
  if (!error) acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(*endpoint, error);
  if (!error) acceptor.listen(options.backlog, error);
  if (error) return StatusFromError(error, "listen on " + ToString(place));
  local = ToHostPort(acceptor.local_endpoint(error));
  return absl::OkStatus();
}

void Listener::State::Deliver(Tcp::socket socket) {
  if (!options.has_room || options.has_room()) {
    handler(std::move(socket));
  } else if (options.refuse) {
    options.refuse(std::move(socket));
  }
}

absl::StatusOr<std::unique_ptr<Listener>> Listener::Open(Executor executor, const HostPort& place,
                                                         Options options) {
  auto state = std::make_shared<State>(std::move(executor), std::move(options));
  absl::Status bound = state->Bind(place);
  if (!bound.ok()) return bound;
  return std::unique_ptr<Listener>(new Listener(std::move(state)));
}

Listener::~Listener() { Close(); }

void Listener::Start(Handler handler) {
  state_->handler = std::move(handler);
  Spawn(state_->strand, AcceptLoop(state_));
}

void Listener::Close() {
  asio::post(state_->strand, [state = state_] {
    ErrorCode ignored;
    state->closed = true;
    state->acceptor.close(ignored);
    state->pause.cancel();
  });
}

const HostPort& Listener::local() const { return state_->local; }

uint64_t Listener::pauses() const { return state_->pauses; }

Awaitable<void> Listener::AcceptLoop(std::shared_ptr<State> state) {
  while (!state->closed) {
    const Executor session = asio::make_strand(state->executor);
    auto [error, socket] = co_await state->acceptor.async_accept(session, kAwait);
    if (state->closed) break;
    if (!error) {
      state->Deliver(std::move(socket));
      continue;
    }
    // The client left before we came to it: no matter. Anything else, out of
    // descriptors above all, would come back at once: wait for others to close.
    if (error == asio::error::connection_aborted) continue;
    ++state->pauses;
    state->pause.expires_after(state->options.pause);
    co_await state->pause.async_wait(kAwait);
  }
}

}  // namespace fermo::net
