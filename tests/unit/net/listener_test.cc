#include "lib/net/listener.h"

#include <sys/resource.h>

#include <unistd.h>

#include <boost/asio/write.hpp>
#include <vector>

#include "gtest/gtest.h"
#include "lib/net/stream.h"
#include "tests/unit/net/loop.h"

namespace fermo::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ListenerTest : public testing::Test {
 protected:
  std::unique_ptr<Listener> Open(Listener::Options options = {}) {
    return Listener::Open(loop_.executor(), ParseHostPort("127.0.0.1:0").value(),
                          std::move(options))
        .value();
  }
  std::unique_ptr<Stream> Connect(const Listener& listener) {
    auto stream = std::make_unique<Stream>(loop_.executor());
    const absl::Status connected =
        loop_.Run(stream->Connect(ToEndpoint(listener.local()).value(), seconds(10)));
    EXPECT_TRUE(connected.ok()) << connected;
    return stream;
  }
  // What the peer says, "" when it has closed.
  std::string Read(Stream& stream) {
    std::string buffer(100, '\0');
    const auto n = loop_.Run(stream.ReadSome(asio::buffer(buffer), seconds(10)));
    return n.ok() ? buffer.substr(0, *n) : n.status().ToString();
  }

  test::Loop loop_;
  std::vector<Tcp::socket> accepted_;
  Listener::Handler keep_ = [this](Tcp::socket socket) { accepted_.push_back(std::move(socket)); };
};

TEST_F(ListenerTest, ThePortIsChosenAndConnectionsQueueUntilStart) {
  auto listener = Open();
  EXPECT_NE(listener->port(), 0);
  EXPECT_EQ(listener->local().host, "127.0.0.1");
  auto client = Connect(*listener);
  EXPECT_TRUE(accepted_.empty());
  listener->Start(keep_);
  loop_.RunUntil([this] { return accepted_.size() == 1; });
}

TEST_F(ListenerTest, ManyConnectionsAreAccepted) {
  auto listener = Open();
  listener->Start(keep_);
  std::vector<std::unique_ptr<Stream>> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(Connect(*listener));
  loop_.RunUntil([this] { return accepted_.size() == 50; });
}

TEST_F(ListenerTest, APlaceInUseOrNotOursIsRefused) {
  auto listener = Open();
  const auto again = Listener::Open(loop_.executor(), listener->local(), {});
  EXPECT_EQ(again.status().ToString(),
            "UNAVAILABLE: listen on " + ToString(listener->local()) + ": Address already in use");
  const auto foreign = Listener::Open(loop_.executor(), ParseHostPort("192.0.2.1:0").value(), {});
  EXPECT_EQ(foreign.status().ToString(),
            "UNAVAILABLE: listen on 192.0.2.1:0: Cannot assign requested address");
  const auto named = Listener::Open(loop_.executor(), ParseHostPort("mx.test:25").value(), {});
  EXPECT_EQ(named.status().message(), "mx.test: must be an address or localhost");
}

TEST_F(ListenerTest, WithoutRoomAConnectionIsRefusedAndLaterOnesAreTaken) {
  Listener::Options options;
  options.has_room = [this] { return accepted_.empty(); };
  options.refuse = [](Tcp::socket socket) {
    ErrorCode ignored;
    asio::write(socket, asio::buffer("421 busy\r\n", 10), ignored);
  };
  auto listener = Open(options);
  listener->Start(keep_);
  auto first = Connect(*listener);
  loop_.RunUntil([this] { return accepted_.size() == 1; });
  auto second = Connect(*listener);
  EXPECT_EQ(Read(*second), "421 busy\r\n");
  EXPECT_EQ(Read(*second), "");
  accepted_.clear();
  auto third = Connect(*listener);
  loop_.RunUntil([this] { return accepted_.size() == 1; });
}

TEST_F(ListenerTest, WithoutARefusalTheConnectionIsClosed) {
  Listener::Options options;
  options.has_room = [] { return false; };
  auto listener = Open(options);
  listener->Start(keep_);
  auto client = Connect(*listener);
  EXPECT_EQ(Read(*client), "");
}

TEST_F(ListenerTest, ClosedItAcceptsNothingAndLetsTheLoopEnd) {
  auto listener = Open();
  listener->Start(keep_);
  const Tcp::endpoint endpoint = ToEndpoint(listener->local()).value();
  listener->Close();
  listener->Close();
  loop_.io().run();
  Stream client(loop_.executor());
  EXPECT_TRUE(absl::IsUnavailable(loop_.Run(client.Connect(endpoint, seconds(10)))));
  EXPECT_TRUE(accepted_.empty());
}

TEST_F(ListenerTest, DestroyedItLetsTheLoopEnd) {
  Open()->Start(keep_);
  loop_.io().run();
  EXPECT_TRUE(accepted_.empty());
}

TEST_F(ListenerTest, WithoutDescriptorsItPausesAndGoesOn) {
  Listener::Options options;
  options.pause = milliseconds(20);
  auto listener = Open(options);
  listener->Start(keep_);
  auto before = Connect(*listener);
  loop_.RunUntil([this] { return accepted_.size() == 1; });
  Stream client(loop_.executor());
  client.socket().open(Tcp::v4());
  // No descriptor beyond those that are open.
  rlimit usual;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &usual), 0);
  const int next = dup(0);
  ASSERT_GE(next, 0);
  close(next);
  rlimit none = usual;
  none.rlim_cur = static_cast<rlim_t>(next);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  ErrorCode error;
  client.socket().connect(ToEndpoint(listener->local()).value(), error);
  EXPECT_FALSE(error) << error.message();
  loop_.RunUntil([&listener] { return listener->pauses() >= 3; });
  EXPECT_EQ(accepted_.size(), 1u);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &usual), 0);
  loop_.RunUntil([this] { return accepted_.size() == 2; });
  EXPECT_LT(listener->pauses(), 100u) << "no busy loop";
}

}  // namespace
}  // namespace fermo::net
