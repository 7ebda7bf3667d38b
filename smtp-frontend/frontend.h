// One frontend: the door, the client of the nodes' spool, the line to the
// coordinators, and the HTTP port.
//
// Ownership: owns all its parts; the io_context must outlive it and must have
// returned from run() before it is destroyed. Threading: everything on the
// executor, an io_context run by one thread. Failure: Start says in one line
// why it cannot start; after that, missing nodes and coordinators only make it
// not ready, and senders are deferred.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/host_port.h"
#include "lib/base/log.h"
#include "lib/net/asio.h"

namespace fermo::frontend {

struct FrontendOptions {
  std::string name;
  std::string region;
  std::string hostname;  // FQDN in greeting and Received
  HostPort listen;       // SMTP
  HostPort http_listen;  // /metrics /livez /readyz
  std::vector<std::string> coordinators;
  std::string state_dir;  // made when absent; holds the last snapshot
  bool insecure = false;
  uint64_t max_message_size = 0;
  size_t max_connections = 0;
  size_t max_recipients = 0;
  std::string postmaster_domain;  // empty: <postmaster> without a domain is refused
  Duration command_timeout{};
  Duration data_timeout{};
  Duration drain_timeout{};
  std::string advertise_address;  // SMTP address shown to operators; empty: as bound
  std::string version;
  Logger log = Logger::Null();
};

class Frontend {
 public:
  static absl::StatusOr<std::unique_ptr<Frontend>> Start(net::Executor executor,
                                                         FrontendOptions options);
  ~Frontend();
  Frontend(const Frontend&) = delete;
  Frontend& operator=(const Frontend&) = delete;

  // As bound.
  const HostPort& smtp_address() const;
  const HostPort& http_address() const;

  // Not ready at once, no new connections, 421 for idle sessions, time for
  // messages on their way. The executor then has no work of ours left.
  net::Awaitable<void> Drain();

 private:
  struct Parts;
  explicit Frontend(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace fermo::frontend
