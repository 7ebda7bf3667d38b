// The SMTP port: accepts connections up to a cap, runs a Session for each, and
// closes the door when the process goes down.
//
// Owned by the frontend, which keeps it until Drain has returned; one thread.
// Connections beyond the cap hear 421 4.3.2. Failure: Open says why it cannot
// listen; nothing else fails.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "lib/base/host_port.h"
#include "lib/base/random.h"
#include "lib/net/asio.h"
#include "lib/net/gate.h"
#include "lib/net/listener.h"
#include "smtp-frontend/session.h"

namespace fermo::frontend {

class Door {
 public:
  // Binds; connections wait in the kernel until Start. `context` must outlive the Door.
  static absl::StatusOr<std::unique_ptr<Door>> Open(net::Executor executor, const HostPort& place,
                                                    const SessionContext* context,
                                                    size_t max_connections);
  ~Door();
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  void Start();
  const HostPort& local() const { return listener_->local(); }
  size_t sessions() const { return sessions_.size(); }

  // Accepts nothing more, tells idle sessions 421, lets messages on their way
  // come in for at most `limit`, then ends what is left.
  net::Awaitable<void> Drain(Duration limit);

 private:
  Door(net::Executor executor, const SessionContext* context, size_t max_connections);
  void Admit(net::Tcp::socket socket);
  void Refuse(net::Tcp::socket socket);
  static net::Awaitable<void> RunRefusal(std::shared_ptr<net::Stream> stream, std::string reply,
                                         net::Gate::Pass pass);

  net::Executor executor_;
  const SessionContext* context_;
  const size_t max_connections_;
  Rng rng_;
  net::Gate gate_;
  net::Gate refusals_;
  std::unique_ptr<net::Listener> listener_;
  std::unordered_map<Session*, std::weak_ptr<Session>> sessions_;
};

}  // namespace fermo::frontend
