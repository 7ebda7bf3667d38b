#include "lib/net/stream.h"

#include "gtest/gtest.h"
#include "lib/net/listener.h"
#include "tests/unit/net/loop.h"

namespace fermo::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

HostPort Loopback() {
  HostPort place;
  place.host = "127.0.0.1";
  return place;
}

class StreamTest : public testing::Test {
 protected:
  void SetUp() override {
    listener_ = Listener::Open(loop_.executor(), Loopback(), {}).value();
    listener_->Start(
        [this](Tcp::socket socket) { server_ = std::make_unique<Stream>(std::move(socket)); });
  }
  void Connect() {
    const absl::Status connected =
        loop_.Run(client_.Connect(ToEndpoint(listener_->local()).value(), seconds(10)));
    ASSERT_TRUE(connected.ok()) << connected;
    loop_.RunUntil([this] { return server_ != nullptr; });
  }
  std::string Read(Stream& stream, Duration timeout = seconds(10)) {
    std::string buffer(65536, '\0');
    const auto n = loop_.Run(stream.ReadSome(asio::buffer(buffer), timeout));
    if (!n.ok()) return n.status().ToString();
    return buffer.substr(0, *n);
  }

  test::Loop loop_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Stream> server_;
  Stream client_{loop_.executor()};
};

TEST_F(StreamTest, WhatOneSideWritesTheOtherReads) {
  Connect();
  EXPECT_TRUE(loop_.Run(client_.WriteAll("EHLO x\r\n", seconds(10))).ok());
  EXPECT_EQ(Read(*server_), "EHLO x\r\n");
  const std::string first = "250-a\r\n";
  const std::string second = "250 b\r\n";
  std::vector<asio::const_buffer> pieces = {asio::buffer(first), asio::buffer(second)};
  EXPECT_TRUE(loop_.Run(server_->WriteAll(pieces, seconds(10))).ok());
  EXPECT_EQ(Read(client_), "250-a\r\n250 b\r\n");
}

TEST_F(StreamTest, BothSidesKnowTheirAddresses) {
  Connect();
  EXPECT_EQ(client_.peer(), listener_->local());
  EXPECT_EQ(server_->peer(), client_.local());
  EXPECT_EQ(server_->local(), client_.peer());
}

TEST_F(StreamTest, AReadEndsByItsDeadlineAndTheNextOneWorks) {
  Connect();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(Read(*server_, milliseconds(30)),
            "DEADLINE_EXCEEDED: read from " + ToString(server_->peer()) + ": timed out");
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(30));
  EXPECT_TRUE(loop_.Run(client_.WriteAll("late", seconds(10))).ok());
  EXPECT_EQ(Read(*server_), "late");
}

TEST_F(StreamTest, AWriteThatNobodyReadsEndsByItsDeadline) {
  Connect();
  const std::string large(64 << 20, 'x');  // more than the kernel buffers
  const absl::Status written = loop_.Run(client_.WriteAll(large, milliseconds(100)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(written)) << written;
}

TEST_F(StreamTest, AClosedConnectionReadsAsNothing) {
  Connect();
  client_.ShutdownSend();
  EXPECT_EQ(Read(*server_), "");
  EXPECT_TRUE(loop_.Run(server_->WriteAll("bye", seconds(10))).ok());
  EXPECT_EQ(Read(client_), "bye") << "the other direction still works";
}

TEST_F(StreamTest, ABrokenConnectionIsUnavailable) {
  Connect();
  // Closing without lingering resets the connection.
  client_.socket().set_option(asio::socket_base::linger(true, 0));
  client_.Close();
  EXPECT_EQ(Read(*server_),
            "UNAVAILABLE: read from " + ToString(server_->peer()) + ": Connection reset by peer");
}

Awaitable<void> ReadInto(Stream* stream, std::string* buffer, std::optional<absl::Status>* done) {
  const auto n = co_await stream->ReadSome(asio::buffer(*buffer), seconds(20));
  *done = n.status();
}

TEST_F(StreamTest, CancelEndsThePendingReadAndLeavesTheConnection) {
  Connect();
  std::string buffer(100, '\0');
  std::optional<absl::Status> done;
  Spawn(loop_.executor(), ReadInto(&client_, &buffer, &done));
  loop_.io().poll();
  client_.Cancel();
  loop_.RunUntil([&done] { return done.has_value(); });
  EXPECT_TRUE(absl::IsCancelled(*done)) << *done;
  EXPECT_TRUE(loop_.Run(server_->WriteAll("on", seconds(10))).ok());
  EXPECT_EQ(Read(client_), "on");
}

TEST_F(StreamTest, CloseEndsThePendingRead) {
  Connect();
  std::string buffer(100, '\0');
  std::optional<absl::Status> done;
  Spawn(loop_.executor(), ReadInto(&client_, &buffer, &done));
  loop_.io().poll();
  client_.Close();
  loop_.RunUntil([&done] { return done.has_value(); });
  EXPECT_TRUE(absl::IsCancelled(*done)) << *done;
  EXPECT_FALSE(client_.is_open());
}

TEST_F(StreamTest, ARefusedConnectionNamesThePlaceAndAnotherMayBeTried) {
  Listener::Options options;
  auto gone = Listener::Open(loop_.executor(), Loopback(), options).value();
  const HostPort place = gone->local();
  gone.reset();
  loop_.io().poll();
  loop_.io().restart();
  const absl::Status refused = loop_.Run(client_.Connect(ToEndpoint(place).value(), seconds(10)));
  EXPECT_EQ(refused.ToString(),
            "UNAVAILABLE: connect to " + ToString(place) + ": Connection refused");
  EXPECT_FALSE(client_.is_open());
  Connect();
  EXPECT_TRUE(client_.is_open());
}

TEST_F(StreamTest, AConnectThatNobodyAnswersEndsByItsDeadline) {
  // A listener that never accepts, with a queue that is full: further SYNs are dropped.
  Listener::Options options;
  options.backlog = 0;
  auto deaf = Listener::Open(loop_.executor(), Loopback(), options).value();
  const Tcp::endpoint endpoint = ToEndpoint(deaf->local()).value();
  std::vector<std::unique_ptr<Stream>> queued;
  absl::Status last;
  while (last.ok() && queued.size() < 16) {
    queued.push_back(std::make_unique<Stream>(loop_.executor()));
    last = loop_.Run(queued.back()->Connect(endpoint, milliseconds(100)));
  }
  EXPECT_EQ(last.ToString(),
            "DEADLINE_EXCEEDED: connect to " + ToString(deaf->local()) + ": timed out");
}

TEST(EndpointTest, OnlyAddressesAndLocalhostArePlaces) {
  EXPECT_EQ(ToEndpoint(ParseHostPort("localhost:25").value()).value().address().to_string(),
            "127.0.0.1");
  EXPECT_EQ(ToHostPort(ToEndpoint(ParseHostPort("[::1]:25").value()).value()).host, "::1");
  EXPECT_EQ(ToEndpoint(ParseHostPort("mx.test:25").value()).status().message(),
            "mx.test: must be an address or localhost");
  const Tcp::endpoint mapped(asio::ip::make_address("::ffff:192.0.2.1"), 25);
  EXPECT_EQ(ToString(ToHostPort(mapped)), "192.0.2.1:25");
}

}  // namespace
}  // namespace fermo::net
