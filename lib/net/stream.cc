#include "lib/net/stream.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fermo::net {

HostPort ToHostPort(const Tcp::endpoint& endpoint) {
  HostPort place;
  asio::ip::address address = endpoint.address();
  // A socket on [::] sees IPv4 peers in mapped form; people know them otherwise.
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  place.host = address.to_string();
  place.port = endpoint.port();
  return place;
}

absl::StatusOr<Tcp::endpoint> ToEndpoint(const HostPort& place) {
  const std::string& host = place.host == "localhost" ? std::string("127.0.0.1") : place.host;
  ErrorCode error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat(place.host, ": must be an address or localhost"));
  }
  return Tcp::endpoint(address, place.port);
}

Stream::Stream(Executor executor) : Stream(Tcp::socket(std::move(executor))) {}

Stream::Stream(Tcp::socket socket)
    : socket_(std::move(socket)), deadline_(socket_.get_executor(), [this] { Cancel(); }) {
  if (!socket_.is_open()) return;
  ErrorCode ignored;
  socket_.set_option(Tcp::no_delay(true), ignored);
  const Tcp::endpoint remote = socket_.remote_endpoint(ignored);
  if (!ignored) peer_ = ToHostPort(remote);
}

absl::Status Stream::Translate(const ErrorCode& error, std::string_view what) const {
  const std::string text = absl::StrCat(std::string(what), " ", ToString(peer_));
  if (error == asio::error::operation_aborted && deadline_.expired()) {
    return absl::DeadlineExceededError(text + ": timed out");
  }
  return StatusFromError(error, text);
}

Awaitable<absl::Status> Stream::Connect(Tcp::endpoint endpoint, Duration timeout) {
  ErrorCode failed;
  socket_.close(failed);
  peer_ = ToHostPort(endpoint);
  socket_.open(endpoint.protocol(), failed);
  if (failed) co_return Translate(failed, "connect to");
  deadline_.Arm(timeout);
  const auto [error] = co_await socket_.async_connect(endpoint, kAwait);
  deadline_.Disarm();
  if (error) {
    socket_.close(failed);
    co_return Translate(error, "connect to");
  }
  socket_.set_option(Tcp::no_delay(true), failed);
  co_return absl::OkStatus();
}

Awaitable<absl::StatusOr<size_t>> Stream::ReadSome(asio::mutable_buffer buffer, Duration timeout) {
  deadline_.Arm(timeout);
  const auto [error, n] = co_await socket_.async_read_some(buffer, kAwait);
  deadline_.Disarm();
  if (error == asio::error::eof) co_return size_t(0);
  if (error) co_return Translate(error, "read from");
  co_return n;
}

Awaitable<absl::Status> Stream::WriteAll(std::string_view octets, Duration timeout) {
  const asio::const_buffer piece(octets.data(), octets.size());
  deadline_.Arm(timeout);
  const auto [error, n] = co_await asio::async_write(socket_, piece, kAwait);
  deadline_.Disarm();
  co_return Translate(error, "write to");
}

Awaitable<absl::Status> Stream::WriteAll(std::vector<asio::const_buffer> pieces, Duration timeout) {
  deadline_.Arm(timeout);
  const auto [error, n] = co_await asio::async_write(socket_, pieces, kAwait);
  deadline_.Disarm();
  co_return Translate(error, "write to");
}

void Stream::Cancel() {
  ErrorCode ignored;
  socket_.cancel(ignored);
}

void Stream::ShutdownSend() {
  ErrorCode ignored;
  socket_.shutdown(Tcp::socket::shutdown_send, ignored);
}

void Stream::Close() {
  ErrorCode ignored;
  socket_.close(ignored);
}

HostPort Stream::local() const {
  ErrorCode failed;
  const Tcp::endpoint endpoint = socket_.local_endpoint(failed);
  return failed ? HostPort() : ToHostPort(endpoint);
}

}  // namespace fermo::net
