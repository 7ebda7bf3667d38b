// Names to addresses, and mail exchangers, by c-ares on an Asio executor.
//
// Thread-safe: any coroutine may ask; it is resumed on its own executor. Nothing
// is cached. Cancelling the asking coroutine, its deadline, or Close ends the
// wait at once. At most `max_pending` questions wait at a time.
//
// Errors, chosen so that trouble with DNS never bounces mail:
//   NotFound            the name does not exist (NXDOMAIN)
//   FailedPrecondition  the name exists but has no address
//   Unavailable         SERVFAIL, refused, timed out, unreachable, malformed; or a
//                       name without a dot that isn't found (a local name: the
//                       configuration is at fault, never a sender)
//   DeadlineExceeded    the caller's deadline
//   ResourceExhausted   too many questions wait
//   InvalidArgument     not a name
//   Cancelled           the coroutine was cancelled or the resolver closed
#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/base/host_port.h"
#include "lib/net/asio.h"

namespace fermo::net {

struct MxHost {
  uint16_t preference = 0;
  std::string host;
};

// RFC 5321 5.1, RFC 7505.
struct MxAnswer {
  bool null_mx = false;       // the domain says that it takes no mail
  std::vector<MxHost> hosts;  // by preference; empty if the name has no MX records
};

class Resolver {
 public:
  struct Options {
    // Empty: the system's servers and search domains (/etc/resolv.conf).
    std::vector<HostPort> servers;
    Duration attempt_timeout = std::chrono::seconds(2);
    int attempts = 3;
    size_t max_pending = 1024;
  };
  using Addresses = std::vector<asio::ip::address>;

  static absl::StatusOr<std::unique_ptr<Resolver>> Create(Executor executor, Options options);
  ~Resolver();

  // Address literals and "localhost" are answered without a question, names in
  // /etc/hosts from there, others by A and AAAA questions at once; addresses of
  // one family will do when the other question is not answered. IPv4 addresses
  // come first, because a route without working IPv6 is the common fault.
  // Names with a dot are asked as they stand; names without one with the system's
  // search domains.
  Awaitable<absl::StatusOr<Addresses>> Resolve(std::string host, Duration timeout);
  Awaitable<absl::StatusOr<MxAnswer>> ResolveMx(std::string domain, Duration timeout);

  // Everything that waits returns Cancelled, and so does every later question.
  void Close();

 private:
  class Impl;
  explicit Resolver(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

}  // namespace fermo::net
