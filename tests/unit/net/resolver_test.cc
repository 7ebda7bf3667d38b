#include "lib/net/resolver.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "gtest/gtest.h"
#include "tests/unit/net/dns_responder.h"
#include "tests/unit/net/loop.h"

namespace fermo::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::DnsResponder;

class ResolverTest : public testing::Test {
 protected:
  void SetUp() override { Open(Resolver::Options()); }
  // For tests of silence; the others give a busy machine its time.
  static Resolver::Options Impatient() {
    Resolver::Options options;
    options.attempt_timeout = milliseconds(100);
    options.attempts = 2;
    return options;
  }
  // The responder is the only server that is ever asked.
  void Open(Resolver::Options options) {
    options.servers.push_back(dns_.place());
    auto created = Resolver::Create(loop_.executor(), options);
    ASSERT_TRUE(created.ok()) << created.status();
    resolver_ = *std::move(created);
  }

  // Addresses separated by spaces, or the status code.
  std::string Resolve(const std::string& name, Duration timeout = seconds(10)) {
    const auto result = loop_.Run(resolver_->Resolve(name, timeout));
    if (!result.ok()) return absl::StatusCodeToString(result.status().code());
    std::string text;
    for (const auto& address : *result) {
      if (!text.empty()) text.push_back(' ');
      text.append(address.to_string());
    }
    return text;
  }

  test::Loop loop_;
  DnsResponder dns_{loop_.executor()};
  std::unique_ptr<Resolver> resolver_;
};

TEST_F(ResolverTest, AddressesOfBothFamiliesComeWithIpv4First) {
  dns_.AddAddress("mx.example.test", "2001:db8::1");
  dns_.AddAddress("mx.example.test", "192.0.2.1");
  dns_.AddAddress("mx.example.test", "192.0.2.2");
  EXPECT_EQ(Resolve("mx.example.test"), "192.0.2.1 192.0.2.2 2001:db8::1");
  EXPECT_EQ(Resolve("MX.Example.Test."), "192.0.2.1 192.0.2.2 2001:db8::1");
}

TEST_F(ResolverTest, OneFamilyIsEnough) {
  dns_.AddAddress("four.test", "192.0.2.4");
  dns_.AddAddress("six.test", "2001:db8::6");
  EXPECT_EQ(Resolve("four.test"), "192.0.2.4");
  EXPECT_EQ(Resolve("six.test"), "2001:db8::6");
}

TEST_F(ResolverTest, AliasesAreFollowed) {
  dns_.AddCname("www.test", "host.test");
  dns_.AddAddress("host.test", "192.0.2.9");
  EXPECT_EQ(Resolve("www.test"), "192.0.2.9");
}

TEST_F(ResolverTest, LiteralsAndLocalhostAreAnsweredWithoutAQuestion) {
  EXPECT_EQ(Resolve("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(Resolve("2001:db8::7"), "2001:db8::7");
  EXPECT_EQ(Resolve("localhost"), "127.0.0.1 ::1");
  EXPECT_EQ(Resolve("LocalHost."), "127.0.0.1 ::1");
  EXPECT_EQ(Resolve("mx.localhost"), "127.0.0.1 ::1");
  EXPECT_EQ(dns_.questions(), 0);
}

TEST_F(ResolverTest, ANameThatDoesNotExistIsNotFound) {
  EXPECT_EQ(Resolve("nowhere.test"), "NOT_FOUND");
}

TEST_F(ResolverTest, ANameWithoutAddressIsToldFromOneThatDoesNotExist) {
  dns_.AddEmpty("empty.test");
  EXPECT_EQ(Resolve("empty.test"), "FAILED_PRECONDITION");
  dns_.AddCname("alias.test", "empty.test");
  EXPECT_EQ(Resolve("alias.test"), "FAILED_PRECONDITION");
}

TEST_F(ResolverTest, TroubleOfTheServerIsUnavailable) {
  for (const auto rcode : {DnsResponder::kServFail, DnsResponder::kRefused}) {
    dns_.SetRcode("sick.test", DnsResponder::kA, rcode);
    dns_.SetRcode("sick.test", DnsResponder::kAaaa, rcode);
    EXPECT_EQ(Resolve("sick.test"), "UNAVAILABLE");
  }
}

TEST_F(ResolverTest, TroubleWithOneFamilyIsNeverTakenForNoAddress) {
  dns_.AddEmpty("half.test");
  dns_.SetRcode("half.test", DnsResponder::kA, DnsResponder::kServFail);
  EXPECT_EQ(Resolve("half.test"), "UNAVAILABLE");
  dns_.AddEmpty("other.test");
  dns_.SetRcode("other.test", DnsResponder::kAaaa, DnsResponder::kServFail);
  EXPECT_EQ(Resolve("other.test"), "UNAVAILABLE");
  dns_.AddAddress("good.test", "192.0.2.5");
  dns_.SetRcode("good.test", DnsResponder::kAaaa, DnsResponder::kServFail);
  EXPECT_EQ(Resolve("good.test"), "192.0.2.5") << "and an address is an address";
}

TEST_F(ResolverTest, ASilentServerIsUnavailableAfterItsAttempts) {
  Open(Impatient());
  dns_.SetSilent("quiet.test");
  EXPECT_EQ(Resolve("quiet.test"), "UNAVAILABLE");
  EXPECT_EQ(dns_.questions(), 4) << "two attempts for each family";
}

TEST_F(ResolverTest, AddressesOfOneFamilyDoWhenTheOtherQuestionIsDropped) {
  dns_.AddAddress("four.test", "192.0.2.4");
  dns_.SetSilent("four.test", DnsResponder::kAaaa);
  EXPECT_EQ(Resolve("four.test", milliseconds(500)), "192.0.2.4");
  EXPECT_EQ(Resolve("four.test"), "192.0.2.4") << "and nobody waits long for the rest";
  dns_.AddAddress("six.test", "2001:db8::6");
  dns_.SetSilent("six.test", DnsResponder::kA);
  EXPECT_EQ(Resolve("six.test", milliseconds(500)), "2001:db8::6");
}

TEST_F(ResolverTest, AQuestionThatIsDroppedIsNeverTakenForNoAddress) {
  dns_.AddEmpty("half.test");
  dns_.SetSilent("half.test", DnsResponder::kAaaa);
  EXPECT_EQ(Resolve("half.test", milliseconds(500)), "DEADLINE_EXCEEDED");
  dns_.AddEmpty("other.test");
  dns_.SetSilent("other.test", DnsResponder::kA);
  EXPECT_EQ(Resolve("other.test", milliseconds(500)), "DEADLINE_EXCEEDED");
}

TEST_F(ResolverTest, TheCallersDeadlineComesFirst) {
  dns_.SetSilent("quiet.test");
  EXPECT_EQ(Resolve("quiet.test", milliseconds(20)), "DEADLINE_EXCEEDED");
  dns_.AddAddress("mx.test", "192.0.2.1");
  EXPECT_EQ(Resolve("mx.test"), "192.0.2.1") << "and the resolver goes on";
}

TEST_F(ResolverTest, AMalformedAnswerIsUnavailable) {
  dns_.AddAddress("bent.test", "192.0.2.1");
  dns_.AddAddress("bent.test", "2001:db8::1");
  dns_.SetMalformed("bent.test");
  EXPECT_EQ(Resolve("bent.test"), "UNAVAILABLE");
}

TEST_F(ResolverTest, AServerThatIsNotThereIsUnavailable) {
  asio::ip::udp::socket unused(loop_.io(),
                               asio::ip::udp::endpoint(asio::ip::address_v4::loopback(), 0));
  HostPort nobody;
  nobody.host = "127.0.0.1";
  nobody.port = unused.local_endpoint().port();
  unused.close();
  Resolver::Options options = Impatient();
  options.servers.push_back(nobody);
  resolver_ = Resolver::Create(loop_.executor(), options).value();
  EXPECT_EQ(Resolve("mx.test"), "UNAVAILABLE");
}

TEST_F(ResolverTest, ALocalNameThatIsNotFoundIsNeverBlamedOnTheSender) {
  EXPECT_EQ(Resolve("postfix"), "UNAVAILABLE");
  dns_.AddAddress("primary", "192.0.2.3");
  EXPECT_EQ(Resolve("primary"), "192.0.2.3");
}

TEST_F(ResolverTest, WhatIsNotANameIsRefused) {
  for (const char* name : {"", "a b.test", "mx.test:25", "-_-!", "300.1.1.1", "a..test", "[::1]"}) {
    EXPECT_EQ(Resolve(name), "INVALID_ARGUMENT") << name;
  }
  EXPECT_EQ(dns_.questions(), 0);
}

TEST_F(ResolverTest, MailExchangersComeInOrderOfPreference) {
  dns_.AddMx("example.test", 20, "backup.example.test");
  dns_.AddMx("example.test", 10, "mx.example.test");
  const auto answer = loop_.Run(resolver_->ResolveMx("example.test", seconds(10)));
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_EQ(answer->hosts.size(), 2u);
  EXPECT_EQ(answer->hosts[0].host, "mx.example.test");
  EXPECT_EQ(answer->hosts[0].preference, 10);
  EXPECT_EQ(answer->hosts[1].host, "backup.example.test");
  EXPECT_FALSE(answer->null_mx);
}

TEST_F(ResolverTest, NullMxIsToldFromNoMxAndNoDomain) {
  dns_.AddMx("nomail.test", 0, ".");
  dns_.AddAddress("plain.test", "192.0.2.1");
  const auto null_mx = loop_.Run(resolver_->ResolveMx("nomail.test", seconds(10)));
  ASSERT_TRUE(null_mx.ok()) << null_mx.status();
  EXPECT_TRUE(null_mx->null_mx);
  EXPECT_TRUE(null_mx->hosts.empty());
  const auto none = loop_.Run(resolver_->ResolveMx("plain.test", seconds(10)));
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_FALSE(none->null_mx);
  EXPECT_TRUE(none->hosts.empty());
  const auto nowhere = loop_.Run(resolver_->ResolveMx("nowhere.test", seconds(10)));
  EXPECT_TRUE(absl::IsNotFound(nowhere.status()));
  dns_.SetRcode("sick.test", DnsResponder::kMx, DnsResponder::kServFail);
  const auto sick = loop_.Run(resolver_->ResolveMx("sick.test", seconds(10)));
  EXPECT_TRUE(absl::IsUnavailable(sick.status()));
}

TEST_F(ResolverTest, ManyQuestionsAtOnceGetTheirOwnAnswers) {
  constexpr int kCount = 100;  // what fits the receive buffer of one socket
  int right = 0;
  int answered = 0;
  for (int i = 0; i < kCount; ++i) {
    const std::string name = "host" + std::to_string(i) + ".test";
    const std::string address = "192.0.2." + std::to_string(i);
    dns_.AddAddress(name, address);
    asio::co_spawn(loop_.io(), resolver_->Resolve(name, seconds(10)),
                   [&right, &answered, address](std::exception_ptr, auto result) {
                     ++answered;
                     right += result.ok() && result->size() == 1 &&
                              result->front().to_string() == address;
                   });
  }
  loop_.RunUntil([&] { return answered == kCount; });
  EXPECT_EQ(right, kCount);
}

TEST_F(ResolverTest, TooManyWaitingQuestionsAreRefused) {
  Resolver::Options options = Impatient();
  options.max_pending = 4;
  Open(options);
  dns_.SetSilent("quiet.test");
  int refused = 0;
  int answered = 0;
  for (int i = 0; i < 3; ++i) {
    asio::co_spawn(loop_.io(), resolver_->Resolve("quiet.test", seconds(10)),
                   [&](std::exception_ptr, auto result) {
                     ++answered;
                     refused += absl::IsResourceExhausted(result.status());
                   });
  }
  loop_.RunUntil([&] { return answered == 3; });
  EXPECT_EQ(refused, 1);
  dns_.AddAddress("mx.test", "192.0.2.1");
  EXPECT_EQ(Resolve("mx.test"), "192.0.2.1") << "there is room again";
}

TEST_F(ResolverTest, CloseEndsEveryWaitAndRefusesWhatComesLater) {
  dns_.SetSilent("quiet.test");
  std::optional<absl::Status> ended;
  asio::co_spawn(loop_.io(), resolver_->Resolve("quiet.test", seconds(10)),
                 [&](std::exception_ptr, auto result) { ended = result.status(); });
  loop_.RunUntil([&] { return dns_.questions() > 0; });
  resolver_->Close();
  loop_.RunUntil([&] { return ended.has_value(); });
  EXPECT_TRUE(absl::IsCancelled(*ended)) << *ended;
  EXPECT_EQ(Resolve("mx.test"), "CANCELLED");
  EXPECT_EQ(Resolve("192.0.2.7"), "192.0.2.7") << "what needs no question is still answered";
}

TEST_F(ResolverTest, CancellingTheCoroutineEndsItsWait) {
  dns_.SetSilent("quiet.test");
  asio::cancellation_signal cancel;
  std::optional<absl::Status> ended;
  asio::co_spawn(loop_.io(), resolver_->Resolve("quiet.test", seconds(10)),
                 asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr, auto result) {
                   ended = result.status();
                 }));
  loop_.RunUntil([&] { return dns_.questions() > 0; });
  cancel.emit(asio::cancellation_type::terminal);
  loop_.RunUntil([&] { return ended.has_value(); });
  EXPECT_TRUE(absl::IsCancelled(*ended)) << *ended;
}

TEST_F(ResolverTest, TheLoopRunsOutOfWorkAfterTheLastAnswer) {
  dns_.AddAddress("mx.test", "192.0.2.1");
  ASSERT_EQ(Resolve("mx.test"), "192.0.2.1");
  test::Loop other;
  Resolver::Options options;
  options.servers.push_back(dns_.place());
  auto resolver = Resolver::Create(other.executor(), options).value();
  resolver.reset();
  other.io().run();  // returns: nothing of the resolver stays behind
}

TEST_F(ResolverTest, ItMayBeDestroyedWhileAQuestionIsOut) {
  dns_.SetSilent("quiet.test");
  asio::co_spawn(loop_.io(), resolver_->Resolve("quiet.test", seconds(10)),
                 [](std::exception_ptr, auto) {});
  loop_.RunUntil([&] { return dns_.questions() > 0; });
  resolver_.reset();  // and then the loop, with the question still out
}

TEST_F(ResolverTest, AServerNeedsAnAddress) {
  Resolver::Options options;
  HostPort named;
  named.host = "dns.test";
  named.port = 53;
  options.servers.push_back(named);
  const auto created = Resolver::Create(loop_.executor(), options);
  EXPECT_EQ(created.status().message(), "dns.test:53: a DNS server must be given by its address");
}

}  // namespace
}  // namespace fermo::net
