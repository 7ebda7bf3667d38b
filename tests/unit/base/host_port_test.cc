#include "lib/base/host_port.h"

#include "gtest/gtest.h"

namespace fermo {
namespace {

HostPort Place(std::string host, uint16_t port) {
  HostPort place;
  place.host = std::move(host);
  place.port = port;
  return place;
}

TEST(HostPortTest, NamesAndAddressesOfBothFamilies) {
  EXPECT_EQ(ParseHostPort("mx.example.test:25").value(), Place("mx.example.test", 25));
  EXPECT_EQ(ParseHostPort("192.0.2.1:2525").value(), Place("192.0.2.1", 2525));
  EXPECT_EQ(ParseHostPort("[2001:db8::1]:25").value(), Place("2001:db8::1", 25));
  EXPECT_EQ(ParseHostPort("0.0.0.0:0").value(), Place("0.0.0.0", 0));
}

TEST(HostPortTest, NamesAreLowerCasedAndLoseTheFinalDot) {
  EXPECT_EQ(ParseHostPort("MX.Example.Test.:25").value(), Place("mx.example.test", 25));
  EXPECT_EQ(ParseHostPort("[2001:DB8::A]:25").value(), Place("2001:db8::a", 25));
}

TEST(HostPortTest, TheDefaultPortIsTakenOnlyWhereOneIsGiven) {
  EXPECT_EQ(ParseHostPort("mx.test", 25).value(), Place("mx.test", 25));
  EXPECT_EQ(ParseHostPort("[::1]", 25).value(), Place("::1", 25));
  EXPECT_EQ(ParseHostPort("mx.test:26", 25).value(), Place("mx.test", 26));
  EXPECT_EQ(ParseHostPort("mx.test").status().message(), "must be host:port; the port is missing");
}

TEST(HostPortTest, ProblemsAreNamed) {
  const auto problem = [](const char* text) {
    return std::string(ParseHostPort(text).status().message());
  };
  EXPECT_EQ(problem(""), "the host is missing");
  EXPECT_EQ(problem(":25"), "the host is missing");
  EXPECT_EQ(problem("::1"), "an IPv6 address needs brackets: [::1]:25");
  EXPECT_EQ(problem("[::1"), "no ] after the [");
  EXPECT_EQ(problem("[mx.test]:25"), "no valid IPv6 address between [ and ]");
  EXPECT_EQ(problem("[::1]25"), "only :port may follow the ]");
  EXPECT_EQ(problem("mx.test:"), "the port must be a number from 0 to 65535");
  EXPECT_EQ(problem("mx.test:65536"), "the port must be a number from 0 to 65535");
  EXPECT_EQ(problem("mx.test:smtp"), "the port must be a number from 0 to 65535");
  EXPECT_EQ(problem("mx.test:-1"), "the port must be a number from 0 to 65535");
  EXPECT_EQ(problem("a..b:25"), "the host name has an empty label");
  EXPECT_EQ(problem(".a:25"), "the host name has an empty label");
  EXPECT_EQ(problem("a b:25"), "the host has a character that no host name has");
  EXPECT_EQ(problem("user@mx.test:25"), "the host has a character that no host name has");
  EXPECT_EQ(problem("300.1.1.1:25"), "the address is not valid");
  EXPECT_EQ(problem("127.1:25"), "the address is not valid");
  EXPECT_EQ(problem((std::string(64, 'a') + ".test:25").c_str()),
            "the host name has a too long label");
  std::string longest;
  for (int i = 0; i < 64; ++i) longest += "abc.";
  EXPECT_EQ(problem((longest + "test:25").c_str()), "the host name is too long");
}

TEST(HostPortTest, TextAndBack) {
  for (const char* text : {"mx.test:25", "192.0.2.1:0", "[2001:db8::1]:65535"}) {
    EXPECT_EQ(ToString(ParseHostPort(text).value()), text);
  }
}

TEST(HostPortTest, LoopbackIsToldFromTheRest) {
  for (const char* host :
       {"localhost", "LocalHost", "127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
  for (const char* host : {"", "0.0.0.0", "::", "128.0.0.1", "mx.test", "localhost.test",
                           "::ffff:10.0.0.1", "127.0.0.1.test"}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

TEST(HostPortTest, AddressesAndLocalhostCanBeListenedOn) {
  for (const char* host : {"0.0.0.0", "::", "192.0.2.1", "::1", "localhost"}) {
    EXPECT_TRUE(IsListenable(host)) << host;
  }
  for (const char* host : {"", "mx.example.test", "localhost.test", "[::1]"}) {
    EXPECT_FALSE(IsListenable(host)) << host;
  }
}

TEST(HostPortTest, AddressesAreToldFromNames) {
  EXPECT_TRUE(IsIpLiteral("192.0.2.1"));
  EXPECT_TRUE(IsIpLiteral("2001:db8::1"));
  EXPECT_FALSE(IsIpLiteral("localhost"));
  EXPECT_FALSE(IsIpLiteral("[::1]"));
}

}  // namespace
}  // namespace fermo
