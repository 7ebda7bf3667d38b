// One SMTP connection to a primary: a TCP stream and a client session, driven
// together, every wait with its deadline.
//
// Owned by one coroutine chain and used on the executor that it was opened on.
// Trouble with the peer ends in the session's phase kEnded with its failure(),
// never in an exception. Close() may be called on that executor at any time; a
// pending Run then ends at once.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "lib/base/time.h"
#include "lib/cluster/snapshot.h"
#include "lib/net/asio.h"
#include "lib/net/resolver.h"
#include "lib/net/stream.h"
#include "lib/smtp/client_session.h"

namespace fermo::node {

// RFC 5321 4.5.3.2 where it names a value.
struct SmtpTimeouts {
  Duration resolve = std::chrono::seconds(10);
  Duration connect = std::chrono::seconds(10);
  Duration greeting = std::chrono::minutes(5);
  Duration hello = std::chrono::minutes(5);
  Duration mail = std::chrono::minutes(5);
  Duration rcpt = std::chrono::minutes(5);
  Duration data = std::chrono::minutes(2);
  Duration block = std::chrono::minutes(3);
  Duration final_dot = std::chrono::minutes(10);
  Duration quit = std::chrono::seconds(5);
};

struct SmtpConnectionOptions {
  std::string helo_name;  // empty: the literal of our own address
  SmtpTimeouts timeouts;
};

class SmtpConnection {
 public:
  // Resolves, connects, reads the greeting and says EHLO, at one address after
  // another (at most eight) until one of them is ready for MAIL. Otherwise the
  // error of the last, its message made for people: "connect to 192.0.2.1:25:
  // Connection refused", "greeting from 192.0.2.1:25: 421 4.3.2 busy". It is
  // DeadlineExceeded only when one of them took the connection and was silent.
  // `resolver` outlives the call.
  static net::Awaitable<absl::StatusOr<std::unique_ptr<SmtpConnection>>> Open(
      net::Executor executor, net::Resolver* resolver, cluster::Route route,
      SmtpConnectionOptions options);

  SmtpConnection(net::Executor executor, SmtpConnectionOptions options);
  SmtpConnection(const SmtpConnection&) = delete;
  SmtpConnection& operator=(const SmtpConnection&) = delete;

  smtp::ClientSession& session() { return session_; }
  // Writes and reads until it is the caller's turn (kReady, kContent) or over (kEnded).
  net::Awaitable<void> Run();
  // Writes what the session has to say, without waiting for an answer; notices
  // what the server says meanwhile, such as a 421 amid the content.
  net::Awaitable<void> Flush();
  // QUIT, if the session allows it, and close. Waits for the answer a short time only.
  net::Awaitable<void> Quit();
  // From outside the owning chain too: what is pending ends with `why`.
  void Close(std::string_view why);

  // The connection ended because the peer was silent for too long.
  bool timed_out() const { return timed_out_; }
  HostPort peer() const { return stream_.peer(); }

 private:
  static net::Awaitable<absl::Status> OpenAt(SmtpConnection* connection,
                                             net::Tcp::endpoint endpoint);
  void KeepAlive();
  void Lose(const absl::Status& status);
  net::Awaitable<void> WriteOutput();
  net::Awaitable<void> ReadOnce();
  Duration TimeoutFor(smtp::ClientStage stage) const;

  SmtpTimeouts timeouts_;
  net::Stream stream_;
  smtp::ClientSession session_;
  const bool named_by_address_;
  bool timed_out_ = false;
  std::string close_reason_;
  std::array<char, 4096> buffer_;
};

// The failure of an ended session in one line.
std::string DescribeFailure(const smtp::ClientFailure& failure);

}  // namespace fermo::node
