// A small HTTP/1.1 server for /metrics, /livez and /readyz.
//
// GET and HEAD only, no bodies, keep-alive, limits on size, time, requests and
// connections. Routes are called on the server's executor, concurrently if that
// has several threads, and must not block.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "lib/base/host_port.h"
#include "lib/net/asio.h"

namespace fermo::net {

struct HttpReply {
  int status = 200;
  std::string body;
  std::string content_type = "text/plain; charset=utf-8";
};

class HttpServer {
 public:
  using Routes = std::map<std::string, std::function<HttpReply()>>;
  struct Options {
    size_t max_header = 8192;
    size_t max_connections = 64;  // further ones are closed at once
    int max_requests = 1000;      // on one connection
    Duration request_timeout = std::chrono::seconds(10);
    Duration idle_timeout = std::chrono::seconds(60);
  };

  // Binds, and serves at once. Errors as of Listener::Open.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Open(Executor executor, const HostPort& place,
                                                          Routes routes, Options options);
  static absl::StatusOr<std::unique_ptr<HttpServer>> Open(Executor executor, const HostPort& place,
                                                          Routes routes);
  // Closes.
  ~HttpServer();

  // Stops listening and ends all connections; thread-safe.
  void Close();
  const HostPort& local() const;
  uint16_t port() const { return local().port; }

 private:
  struct State;
  explicit HttpServer(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace fermo::net
