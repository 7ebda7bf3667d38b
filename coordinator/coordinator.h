// One coordinator: store, membership, operations, their servers.
//
// Ownership: owns all its parts; the io_context must outlive it and must have
// returned from run() before it is destroyed. Threading: Start and Drain
// belong on the executor, an io_context run by one thread. Failure: Start says
// in one line why it cannot start. A store that breaks later is given to
// on_fatal; the process must then end, since a failed sync is never retried.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/host_port.h"
#include "lib/base/log.h"
#include "lib/net/asio.h"

namespace fermo::coordinator {

struct CoordinatorOptions {
  std::string name;
  HostPort listen;       // gRPC
  HostPort http_listen;  // /metrics /livez /readyz
  std::string data_dir;  // made when absent
  bool insecure = false;
  std::string version;
  Logger log = Logger::Null();
  Duration apply_limit = std::chrono::seconds(3);      // see OperationsContext
  Duration node_deadline = std::chrono::seconds(2);    // see NodeClient
  Duration survivor_lease = std::chrono::seconds(10);  // see ControlServiceOptions
  std::function<void(const absl::Status&)> on_fatal;   // once; on the executor
};

class Coordinator {
 public:
  static absl::StatusOr<std::unique_ptr<Coordinator>> Start(net::Executor executor,
                                                            CoordinatorOptions options);
  ~Coordinator();
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  // As bound.
  const std::string& grpc_address() const;
  std::string http_address() const;
  std::string cluster_uuid() const;

  // Ends all streams, lets running operations finish, stops listening. The
  // executor then has no work of ours left.
  net::Awaitable<void> Drain();

 private:
  struct Parts;
  explicit Coordinator(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace fermo::coordinator
