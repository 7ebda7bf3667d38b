// Asks a primary whether it would take mail: connect, greeting, EHLO.
//
// Used on one executor; the resolver outlives it. A probe that succeeds hands
// over its open connection: the first message goes over the very connection
// that proved the route, or Quit() ends it. Trouble is the status of the
// result, in words for people.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "lib/cluster/snapshot.h"
#include "lib/net/asio.h"
#include "lib/net/resolver.h"
#include "node/health/smtp_connection.h"

namespace fermo::node {

class Prober {
 public:
  struct Options {
    SmtpConnectionOptions connection;
    // A probe waits less than an attempt: while it waits, nobody asks again. A
    // connection that takes longer than this to open, where packets are dropped
    // say, is tried anew, and is seen soon after the primary is back.
    Duration connect = std::chrono::seconds(1);
    // A primary that takes longer to greet than this counts as down.
    Duration greeting = std::chrono::seconds(60);
  };

  Prober(net::Executor executor, net::Resolver& resolver, Options options);

  net::Awaitable<absl::StatusOr<std::unique_ptr<SmtpConnection>>> Probe(cluster::Route route);

 private:
  net::Executor executor_;
  net::Resolver& resolver_;
  SmtpConnectionOptions probe_;
};

}  // namespace fermo::node
