// When a primary is noticed: slow ones, silent ones, and those that drop packets.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "tests/unit/delivery/harness.h"

namespace fermo::node {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;

// A port of the loopback whose listener has no room: the kernel drops what would
// open a connection, as a firewall does.
class DroppingPort {
 public:
  DroppingPort() {
    const int listener = Socket(0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listener, generic, sizeof address), 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(getsockname(listener, generic, &size), 0);
    EXPECT_EQ(listen(listener, 0), 0);
    port_ = ntohs(address.sin_port);
    for (int i = 0; i < 4; ++i) {
      const int ignored = connect(Socket(SOCK_NONBLOCK), generic, sizeof address);
      static_cast<void>(ignored);  // the first opens, the others hang
    }
  }
  ~DroppingPort() {
    for (const int fd : sockets_) close(fd);
  }
  uint16_t port() const { return port_; }

 private:
  int Socket(int flags) {
    sockets_.push_back(socket(AF_INET, SOCK_STREAM | flags, 0));
    return sockets_.back();
  }

  std::vector<int> sockets_;
  uint16_t port_ = 0;
};

class ProbeTest : public DelivererTest {
 protected:
  ProbeTest() { options_.route.probe_interval = milliseconds(50); }
};

TEST_F(ProbeTest, GivesUpAConnectionSoonWherePacketsAreDropped) {
  const DroppingPort firewall;
  options_.probe.connect = milliseconds(100);
  RouteTo("a.test", firewall.port());
  Start();
  Put({"u@a.test"}, kSmall);
  ASSERT_TRUE(
      RunUntil([&] { return StateOfOnlyRoute() == cluster::RouteState::kDown; }, seconds(5)))
      << "delivery itself would wait for 10 s";
  EXPECT_THAT(deliverer_->Routes()[0].reason, HasSubstr("timed out"));
}

TEST_F(ProbeTest, AsksAgainSoonWhenAConnectionStaysSilent) {
  options_.probe.reply = milliseconds(100);
  ScriptedPrimary primary(0, [](int connection, const std::string& command) {
    return connection == 0 && command == "CONNECT" ? std::string(ScriptedPrimary::kHang)
                                                   : std::string();
  });
  RouteTo("a.test", primary.port());
  Start();
  Put({"u@a.test"}, kSmall);
  EXPECT_TRUE(RunUntil([&] { return delivered() == 1; }, seconds(5)));
}

TEST_F(ProbeTest, HasPatienceWithAPrimaryThatGreetsSlowly) {
  options_.probe.reply = milliseconds(100);
  ScriptedPrimary primary(0, [](int, const std::string& command) {
    if (command == "CONNECT") std::this_thread::sleep_for(milliseconds(500));
    return std::string();
  });
  RouteTo("a.test", primary.port());
  Start();
  Put({"u@a.test"}, kSmall);
  EXPECT_TRUE(RunUntil([&] { return delivered() == 1; }));
  EXPECT_LE(primary.connections(), 8) << "each probe waits longer than the one before";
}

TEST_F(ProbeTest, SaysItsAddressWhereItHasNoName) {
  options_.connection.helo_name = "";
  ScriptedPrimary primary;
  RouteTo("a.test", primary.port());
  Start();
  Put({"u@a.test"}, kSmall);
  ASSERT_TRUE(RunUntil([&] { return delivered() == 1; }));
  EXPECT_THAT(primary.commands(), Contains("EHLO [127.0.0.1]"));
}

}  // namespace
}  // namespace fermo::node
