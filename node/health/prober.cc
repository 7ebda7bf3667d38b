#include "node/health/prober.h"

#include <algorithm>
#include <utility>

namespace fermo::node {

Prober::Prober(net::Executor executor, net::Resolver& resolver, SmtpConnectionOptions connection,
               ProbeTimeouts timeouts)
    : executor_(std::move(executor)),
      resolver_(resolver),
      connection_(std::move(connection)),
      timeouts_(timeouts) {
  connection_.timeouts.connect = std::min(connection_.timeouts.connect, timeouts_.connect);
}

net::Awaitable<absl::StatusOr<std::unique_ptr<SmtpConnection>>> Prober::Probe(cluster::Route route,
                                                                              uint32_t silences) {
  SmtpConnectionOptions options = connection_;
  const Duration reply = ReplyTimeout(silences);
  options.timeouts.greeting = std::min(options.timeouts.greeting, reply);
  options.timeouts.hello = std::min(options.timeouts.hello, reply);
  return SmtpConnection::Open(executor_, &resolver_, std::move(route), std::move(options));
}

Duration Prober::ReplyTimeout(uint32_t silences) const {
  Duration timeout = timeouts_.reply;
  for (; silences > 0 && timeout < timeouts_.longest_reply; --silences) timeout *= 2;
  return std::min(timeout, timeouts_.longest_reply);
}

}  // namespace fermo::node
