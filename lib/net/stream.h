// A TCP connection whose every operation has a deadline.
//
// Owned by one session and used on the socket's executor (strand); one read and
// one write at a time, but not both at once: a deadline cancels both. Close and
// Cancel may be called on that executor at any time; the pending operation then
// returns Cancelled. No exceptions.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/host_port.h"
#include "lib/net/asio.h"
#include "lib/net/deadline.h"

namespace fermo::net {

using Tcp = asio::ip::tcp;

class Stream {
 public:
  // Not yet connected.
  explicit Stream(Executor executor);
  // Accepted. Sets TCP_NODELAY.
  explicit Stream(Tcp::socket socket);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Opens a connection; a failed one may be tried again with another endpoint.
  Awaitable<absl::Status> Connect(Tcp::endpoint endpoint, Duration timeout);

  // At least one octet, or 0 when the peer has closed its side. DeadlineExceeded,
  // Cancelled, or Unavailable when the connection broke. `buffer` must live and
  // not be empty.
  Awaitable<absl::StatusOr<size_t>> ReadSome(asio::mutable_buffer buffer, Duration timeout);

  // Everything, or an error as above after which the stream is of no more use.
  // The deadline is for the whole; `octets` must live until it returns.
  Awaitable<absl::Status> WriteAll(std::string_view octets, Duration timeout);
  // Several pieces in one system call where possible.
  Awaitable<absl::Status> WriteAll(std::vector<asio::const_buffer> pieces, Duration timeout);

  // Pending operations return Cancelled; the connection stays.
  void Cancel();
  // Sends FIN, keeps reading possible.
  void ShutdownSend();
  void Close();
  bool is_open() const { return socket_.is_open(); }

  Executor executor() { return socket_.get_executor(); }
  // Empty addresses when not connected.
  HostPort peer() const { return peer_; }
  HostPort local() const;
  Tcp::socket& socket() { return socket_; }

 private:
  absl::Status Translate(const ErrorCode& error, std::string_view what) const;

  Tcp::socket socket_;
  Deadline deadline_;
  HostPort peer_;
};

HostPort ToHostPort(const Tcp::endpoint& endpoint);
// Only for addresses and "localhost": InvalidArgument for other names.
absl::StatusOr<Tcp::endpoint> ToEndpoint(const HostPort& place);

}  // namespace fermo::net
