#include "node/health/smtp_connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/smtp/address.h"

namespace fermo::node {
namespace {

constexpr size_t kMaxAddresses = 8;

smtp::ClientOptions SessionOptions(const SmtpConnectionOptions& options) {
  smtp::ClientOptions session;
  session.helo_name = options.helo_name;
  return session;
}

// No deadline of the way to the server is the server's silence.
absl::Status WithoutDeadline(const absl::Status& status) {
  if (!absl::IsDeadlineExceeded(status)) return status;
  return absl::UnavailableError(status.message());
}

}  // namespace

std::string DescribeFailure(const smtp::ClientFailure& failure) {
  std::string text = absl::StrCat(std::string(ToString(failure.stage)), ": ", failure.text);
  if (failure.reply) absl::StrAppend(&text, ": ", smtp::OneLine(*failure.reply, 256));
  return text;
}

SmtpConnection::SmtpConnection(net::Executor executor, SmtpConnectionOptions options)
    : timeouts_(options.timeouts),
      stream_(std::move(executor)),
      session_(SessionOptions(options)),
      named_by_address_(options.helo_name.empty()) {}

net::Awaitable<absl::StatusOr<std::unique_ptr<SmtpConnection>>> SmtpConnection::Open(
    net::Executor executor, net::Resolver* resolver, cluster::Route route,
    SmtpConnectionOptions options) {
  const absl::StatusOr<net::Resolver::Addresses> addresses =
      co_await resolver->Resolve(route.host, options.timeouts.resolve);
  if (!addresses.ok()) co_return WithoutDeadline(addresses.status());
  absl::Status last = absl::UnavailableError(absl::StrCat(route.host, ": no address"));
  absl::Status silent;
  for (size_t i = 0; i < std::min(addresses->size(), kMaxAddresses); ++i) {
    auto connection = std::make_unique<SmtpConnection>(executor, options);
    const net::Tcp::endpoint endpoint((*addresses)[i], route.port);
    last = co_await OpenAt(connection.get(), endpoint);
    if (last.ok()) co_return std::move(connection);
    if (absl::IsDeadlineExceeded(last)) silent = last;
  }
  if (!silent.ok()) co_return silent;
  co_return last;
}

net::Awaitable<absl::Status> SmtpConnection::OpenAt(SmtpConnection* connection,
                                                    net::Tcp::endpoint endpoint) {
  const absl::Status connected =
      co_await connection->stream_.Connect(endpoint, connection->timeouts_.connect);
  if (!connected.ok()) co_return WithoutDeadline(connected);
  connection->KeepAlive();
  if (connection->named_by_address_) {
    connection->session_.SetHeloName(smtp::AddressLiteral(connection->stream_.local().host));
  }
  co_await connection->Run();
  if (connection->session_.phase() == smtp::ClientPhase::kReady) co_return absl::OkStatus();
  const auto& failure = connection->session_.failure();
  const std::string text = failure ? DescribeFailure(*failure) : "closed";
  const std::string reason = absl::StrCat(ToString(connection->peer()), ": ", text);
  if (connection->timed_out_) co_return absl::DeadlineExceededError(reason);
  co_return absl::UnavailableError(reason);
}

// A reply may take minutes, and a peer that is gone would be waited for as
// long: the kernel asks after a silent one, so that it is known to be dead
// within a minute, and gives up what nobody acknowledges or has room for.
void SmtpConnection::KeepAlive() {
  const int fd = stream_.socket().native_handle();
  const int on = 1;
  const int idle_seconds = 20;
  const int interval_seconds = 10;
  const int probes = 4;
  const unsigned int unacknowledged_millis = 180'000;  // the timeout of a block
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_seconds, sizeof interval_seconds);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_millis,
             sizeof unacknowledged_millis);
}

net::Awaitable<void> SmtpConnection::Run() {
  while (true) {
    if (session_.HasOutput()) co_await WriteOutput();
    const smtp::ClientPhase phase = session_.phase();
    if (phase == smtp::ClientPhase::kEnded) break;
    if (phase == smtp::ClientPhase::kReady || phase == smtp::ClientPhase::kContent) co_return;
    co_await ReadOnce();
  }
  stream_.Close();
}

net::Awaitable<void> SmtpConnection::Flush() {
  if (session_.HasOutput()) co_await WriteOutput();
  net::ErrorCode failed;
  while (session_.phase() == smtp::ClientPhase::kContent &&
         stream_.socket().available(failed) > 0 && !failed) {
    co_await ReadOnce();
  }
}

net::Awaitable<void> SmtpConnection::Quit() {
  if (session_.phase() == smtp::ClientPhase::kReady) {
    session_.Quit();
    co_await Run();
  }
  stream_.Close();
}

void SmtpConnection::Close(std::string_view why) {
  close_reason_ = std::string(why);
  stream_.Close();
}

net::Awaitable<void> SmtpConnection::WriteOutput() {
  const std::string octets = session_.TakeOutput();
  const absl::Status written = co_await stream_.WriteAll(octets, timeouts_.block);
  if (!written.ok()) Lose(written);
}

net::Awaitable<void> SmtpConnection::ReadOnce() {
  const net::asio::mutable_buffer buffer(buffer_.data(), buffer_.size());
  const Duration timeout = TimeoutFor(session_.stage());
  const absl::StatusOr<size_t> n = co_await stream_.ReadSome(buffer, timeout);
  if (!n.ok()) {
    Lose(n.status());
  } else if (*n == 0) {
    session_.ConnectionLost("the server closed the connection");
  } else {
    session_.Receive(std::string_view(buffer_.data(), *n));
  }
}

void SmtpConnection::Lose(const absl::Status& status) {
  if (!close_reason_.empty()) return session_.ConnectionLost(close_reason_);
  timed_out_ = absl::IsDeadlineExceeded(status);
  const absl::string_view text = status.message();
  session_.ConnectionLost(std::string_view(text.data(), text.size()));
}

Duration SmtpConnection::TimeoutFor(smtp::ClientStage stage) const {
  switch (stage) {
    case smtp::ClientStage::kGreeting:
      return timeouts_.greeting;
    case smtp::ClientStage::kHello:
      return timeouts_.hello;
    case smtp::ClientStage::kMail:
      return timeouts_.mail;
    case smtp::ClientStage::kRcpt:
      return timeouts_.rcpt;
    case smtp::ClientStage::kData:
      return timeouts_.data;
    case smtp::ClientStage::kContent:
      return timeouts_.block;
    case smtp::ClientStage::kFinalDot:
      return timeouts_.final_dot;
    case smtp::ClientStage::kReset:
      return timeouts_.mail;
    case smtp::ClientStage::kQuit:
      return timeouts_.quit;
  }
  return timeouts_.mail;
}

}  // namespace fermo::node
