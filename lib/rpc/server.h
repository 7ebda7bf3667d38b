// One gRPC server: our services plus reflection, health and channelz.
//
// Ownership: the services belong to the caller and must outlive the Server.
// Threading: gRPC runs the services' reactions on its own threads; they must
// not block, and hand over to an executor. The methods of Server may be called
// from any thread, but Shutdown blocks and must not run on an executor that
// the services need in order to finish their calls. Failure: Start says why it
// cannot listen; nothing else fails.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "absl/status/statusor.h"
#include "lib/base/time.h"
#include "lib/rpc/channel.h"

namespace grpc {
class Service;
}

namespace fermo::rpc {

struct ServedService {
  std::string name;  // such as v1::Spool::service_full_name(), for the health service
  grpc::Service* service = nullptr;
};

struct ServerOptions {
  std::string listen;     // HOST:PORT, an IP literal or localhost; port 0: any free one
  bool insecure = false;  // as in ChannelOptions
  std::vector<ServedService> services;
  int max_receive_bytes = kMaxFrameBytes;
  int max_streams_per_connection = 4096;  // calls beyond wait at the client
};

class Server {
 public:
  // Listens. InvalidArgument or FailedPrecondition as Dial; Unavailable when
  // the port is taken. Health says NOT_SERVING until SetServing(true).
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options);
  ~Server();  // Shutdown(0) unless already shut down
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  uint16_t port() const;
  const std::string& address() const;  // HOST:PORT as bound

  // What grpc.health.v1 answers, for each service and for "".
  void SetServing(bool serving);

  // Refuses new calls, lets running ones end for `grace`, then cancels them,
  // and returns when every reactor is done. Blocks. May be called twice.
  void Shutdown(Duration grace);
  // The same on a thread of its own; resumes the caller. The Server must not
  // be destroyed before it returns.
  boost::asio::awaitable<void> AsyncShutdown(Duration grace);

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fermo::rpc
