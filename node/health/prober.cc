#include "node/health/prober.h"

#include <algorithm>
#include <utility>

namespace fermo::node {

Prober::Prober(net::Executor executor, net::Resolver& resolver, Options options)
    : executor_(std::move(executor)), resolver_(resolver), probe_(std::move(options.connection)) {
  probe_.timeouts.connect = std::min(probe_.timeouts.connect, options.connect);
  probe_.timeouts.greeting = std::min(probe_.timeouts.greeting, options.greeting);
  probe_.timeouts.hello = std::min(probe_.timeouts.hello, options.greeting);
}

net::Awaitable<absl::StatusOr<std::unique_ptr<SmtpConnection>>> Prober::Probe(
    cluster::Route route) {
  return SmtpConnection::Open(executor_, &resolver_, std::move(route), probe_);
}

}  // namespace fermo::node
