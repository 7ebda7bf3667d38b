// Asks a primary whether it would take mail: connect, greeting, EHLO.
//
// Used on one executor; the resolver outlives it. A probe that succeeds hands
// over its open connection: the first message goes over the very connection
// that proved the route, or Quit() ends it. Trouble is the status of the
// result, in words for people.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "lib/cluster/snapshot.h"
#include "lib/net/asio.h"
#include "lib/net/resolver.h"
#include "node/health/smtp_connection.h"

namespace fermo::node {

// A probe waits less than an attempt: while it waits, nobody asks again. Each is
// for one address; a shorter one of SmtpTimeouts holds.
struct ProbeTimeouts {
  // A connection that takes longer to open, where packets are dropped say, is
  // tried anew, and is seen soon after the primary is back.
  Duration connect = std::chrono::seconds(1);
  // For the greeting, and again for the reply to EHLO. Some primaries greet
  // slowly on purpose (Postfix's postscreen after 6 s), so after a silent probe
  // the next one waits twice as long, up to the longest.
  Duration reply = std::chrono::seconds(2);
  Duration longest_reply = std::chrono::seconds(60);
};

class Prober {
 public:
  Prober(net::Executor executor, net::Resolver& resolver, SmtpConnectionOptions connection,
         ProbeTimeouts timeouts);

  // `silences`: how many of this route's probes in a row, up to now, have ended
  // in the primary's silence (DeadlineExceeded).
  net::Awaitable<absl::StatusOr<std::unique_ptr<SmtpConnection>>> Probe(cluster::Route route,
                                                                        uint32_t silences);

 private:
  Duration ReplyTimeout(uint32_t silences) const;

  net::Executor executor_;
  net::Resolver& resolver_;
  SmtpConnectionOptions connection_;
  ProbeTimeouts timeouts_;
};

}  // namespace fermo::node
