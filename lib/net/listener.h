// Accepts TCP connections until closed.
//
// The owner keeps it until after Close. Handlers are called one at a time on the
// listener's strand and must return at once (start a coroutine on the socket's own
// executor: each accepted socket has a strand of its own). When the process runs out of
// descriptors it pauses and goes on, without a busy loop and without giving up.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "lib/base/host_port.h"
#include "lib/net/asio.h"

namespace fermo::net {

class Listener {
 public:
  using Handler = std::function<void(asio::ip::tcp::socket)>;
  struct Options {
    int backlog = 1024;
    Duration pause = std::chrono::milliseconds(100);  // after running out of descriptors
    // If set and false, the connection goes to `refuse` (or is closed if that is empty).
    std::function<bool()> has_room;
    Handler refuse;
  };

  // Binds and listens; connections queue in the kernel until Start. The host is an
  // address or "localhost". Unavailable if the address is in use or not ours.
  static absl::StatusOr<std::unique_ptr<Listener>> Open(Executor executor, const HostPort& place,
                                                        Options options);
  ~Listener();

  // Call once.
  void Start(Handler handler);
  // Stops accepting; thread-safe, may be repeated. After the executor has run what
  // is queued the handler is not called any more.
  void Close();

  // The bound address, with the real port.
  const HostPort& local() const;
  uint16_t port() const { return local().port; }
  // How often accept failed for lack of descriptors or memory.
  uint64_t pauses() const;

 private:
  struct State;
  explicit Listener(std::shared_ptr<State> state) : state_(std::move(state)) {}
  static Awaitable<void> AcceptLoop(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace fermo::net
