#include "lib/smtp/address.h"

#include <gtest/gtest.h>

#include <string>

namespace fermo::smtp {
namespace {

std::string Parsed(std::string_view text, PathKind kind = PathKind::kForward) {
  const auto path = ConsumePath(text, kind);
  if (!path.ok()) return "refused";
  if (!text.empty()) return "left: " + std::string(text);
  return path->null() ? "<>" : path->ToString();
}

TEST(Address, TakesOrdinaryPathsAndLowersTheDomainOnly) {
  EXPECT_EQ(Parsed("<Anna.Rossi+x@Example.TEST>"), "Anna.Rossi+x@example.test");
  EXPECT_EQ(Parsed("<a@b>"), "a@b");
  EXPECT_EQ(Parsed("<!#$&'*+-/=?^_`{|}~@d.test>"), "!#$&'*+-/=?^_`{|}~@d.test");
  EXPECT_EQ(Parsed("<a@xn--bcher-kva.example>"), "a@xn--bcher-kva.example");
  EXPECT_EQ(Parsed("<a@with_underscore.test>"), "a@with_underscore.test");
}

TEST(Address, TakesTheNullReversePathAndOnlyThere) {
  EXPECT_EQ(Parsed("<>", PathKind::kReverse), "<>");
  EXPECT_EQ(Parsed("<>", PathKind::kForward), "refused");
}

TEST(Address, TakesPostmasterWithoutDomainInAnyCaseAndOnlyAsForwardPath) {
  EXPECT_EQ(Parsed("<postmaster>"), "postmaster");
  EXPECT_EQ(Parsed("<PostMaster>"), "PostMaster");
  EXPECT_EQ(Parsed("<postmaster>", PathKind::kReverse), "refused");
  EXPECT_EQ(Parsed("<hostmaster>"), "refused");
}

TEST(Address, DropsSourceRoutes) {
  EXPECT_EQ(Parsed("<@one.test:a@b.test>"), "a@b.test");
  EXPECT_EQ(Parsed("<@one.test,@two.test:a@b.test>"), "a@b.test");
  EXPECT_EQ(Parsed("<@one.test,:a@b.test>"), "refused");
  EXPECT_EQ(Parsed("<@one.test a@b.test>"), "refused");
  EXPECT_EQ(Parsed("<@one.test:>"), "refused");
}

TEST(Address, DecodesQuotedLocalPartsAndQuotesOnlyWhereNeeded) {
  EXPECT_EQ(Parsed("<\"anna\"@b.test>"), "anna@b.test");
  EXPECT_EQ(Parsed("<\"an\\na\"@b.test>"), "anna@b.test");
  EXPECT_EQ(Parsed("<\"anna rossi\"@b.test>"), "\"anna rossi\"@b.test");
  EXPECT_EQ(Parsed("<\"a\\\"b\\\\c\"@b.test>"), "\"a\\\"b\\\\c\"@b.test");
  EXPECT_EQ(Parsed("<\"a>b\"@b.test>"), "\"a>b\"@b.test");
  EXPECT_EQ(Parsed("<\"anna@b.test>"), "refused");
  EXPECT_EQ(Parsed("<\"anna\"x@b.test>"), "refused");
  EXPECT_EQ(Parsed("<\"an\\\x01\"@b.test>"), "refused");
}

TEST(Address, WritesAddressLiterals) {
  EXPECT_EQ(AddressLiteral("192.0.2.1"), "[192.0.2.1]");
  EXPECT_EQ(AddressLiteral("2001:db8::1"), "[IPv6:2001:db8::1]");
  EXPECT_EQ(AddressLiteral("fe80::1%eth0"), "[IPv6:fe80::1]");
}

TEST(Address, TakesAddressLiterals) {
  EXPECT_EQ(Parsed("<a@[192.0.2.1]>"), "a@[192.0.2.1]");
  EXPECT_EQ(Parsed("<a@[IPv6:2001:DB8::1]>"), "a@[ipv6:2001:db8::1]");
  EXPECT_EQ(Parsed("<a@[x400:text]>"), "a@[x400:text]");
  EXPECT_EQ(Parsed("<a@[192.0.2.256]>"), "refused");
  EXPECT_EQ(Parsed("<a@[192.0.2]>"), "refused");
  EXPECT_EQ(Parsed("<a@[IPv6:2001:db8:::1]>"), "refused");
  EXPECT_EQ(Parsed("<a@[]>"), "refused");
  EXPECT_EQ(Parsed("<a@[192.0.2.1>"), "refused");
}

TEST(Address, RefusesWhatIsNoPath) {
  for (const char* text : {"",        "a@b",     "<a@b",     "<a>",       "<@b>",     "<a@>",
                           "<a b@c>", "<.a@b>",  "<a.@b>",   "<a..b@c>",  "<a@b..c>", "<a@.b>",
                           "<a@b.>",  "<a@-b>",  "<a@b->",   "<a@b c>",   "<a@b@c>",  "<a@b(@c)>",
                           "<<a@b>>", "<a@b>c>", "<a(x)@b>", "<a;b@[c]>", "<\\a@b>"}) {
    std::string_view view = text;
    const auto path = ConsumePath(view, PathKind::kForward);
    EXPECT_TRUE(!path.ok() || !view.empty()) << text;
  }
}

TEST(Address, RefusesOctetsThatArentPrintableAscii) {
  EXPECT_EQ(Parsed(std::string_view("<a\0b@c>", 7)), "refused");
  EXPECT_EQ(Parsed("<\xc3\xa9@b.test>"), "refused");
  EXPECT_EQ(Parsed("<a@\xef\xbd\x85xample.test>"), "refused");  // fullwidth
  EXPECT_EQ(Parsed("<a@example\xe3\x80\x82test>"), "refused");  // U+3002
  EXPECT_EQ(Parsed("<\"\xff\"@b.test>"), "refused");
  EXPECT_EQ(Parsed("<a\r\n@b.test>"), "refused");
}

TEST(Address, KeepsTheLimitsOfPathDomainAndLabel) {
  const std::string label(63, 'x');
  const std::string domain = label + "." + label + "." + label + "." + std::string(63, 'y');
  ASSERT_EQ(domain.size(), 255u);
  EXPECT_EQ(Parsed("<a@" + domain + ">"), "a@" + domain);
  EXPECT_EQ(Parsed("<a@" + domain + "y>"), "refused");
  EXPECT_EQ(Parsed("<a@" + label + "x.test>"), "refused");
  EXPECT_EQ(Parsed("<" + std::string(64, 'l') + "@b.test>"), std::string(64, 'l') + "@b.test");
  EXPECT_EQ(Parsed("<" + std::string(255, 'l') + "@b.test>"), std::string(255, 'l') + "@b.test");
  EXPECT_EQ(Parsed("<" + std::string(256, 'l') + "@b.test>"), "refused");
  std::string route;
  for (int i = 0; i < 10; ++i) route += (i ? ",@" : "@") + label + "." + label + ".test";
  EXPECT_EQ(Parsed("<" + route + ":a@b.test>"), "refused");
}

TEST(Address, RecognisesRoutesHiddenInTheLocalPart) {
  for (const char* text :
       {"<u%f@d>", "<f!u@d>", "<\"u@f\"@d>", "<\"u\\@f\"@d>", "<u%f@[192.0.2.1]>", "<\"u%f\"@d>"}) {
    std::string_view view = text;
    const auto path = ConsumePath(view, PathKind::kForward);
    ASSERT_TRUE(path.ok()) << text;
    EXPECT_TRUE(HasHiddenRoute(*path)) << text;
  }
  EXPECT_FALSE(HasHiddenRoute(Path{"anna+x=y", "d"}));
}

TEST(Address, MailboxWithoutBracketsIsTakenWhole) {
  EXPECT_TRUE(ParseMailbox("a@b.test", PathKind::kForward).ok());
  EXPECT_TRUE(ParseMailbox("", PathKind::kReverse).ok());
  EXPECT_FALSE(ParseMailbox("", PathKind::kForward).ok());
  EXPECT_FALSE(ParseMailbox("a@b.test>", PathKind::kForward).ok());
  EXPECT_FALSE(ParseMailbox("a@b.test\r\nDATA", PathKind::kForward).ok());
}

TEST(Address, TextOfAPathParsesToTheSamePath) {
  for (const char* text : {"<a@b>", "<\"a b\"@c>", "<\"\"@c>", "<\"a\\\\\\\"\"@[192.0.2.1]>"}) {
    std::string_view view = text;
    const auto path = ConsumePath(view, PathKind::kForward);
    ASSERT_TRUE(path.ok()) << text;
    const auto again = ParseMailbox(path->ToString(), PathKind::kForward);
    ASSERT_TRUE(again.ok()) << path->ToString();
    EXPECT_EQ(*again, *path);
  }
}

TEST(Address, ClientNamesAreDomainsLiteralsAndSimilarWords) {
  for (const char* name : {"mail.example.test", "localhost", "[192.0.2.1]", "[IPv6:::1]", "WIN-_PC",
                           "192.0.2.1", "-odd-", "trailing.dot."}) {
    EXPECT_TRUE(IsClientName(name)) << name;
  }
  for (const char* name : {"", "a b", "a\tb", "a(b)", "<a>", "a;b", "\xc3\xa9.test", "a\"b"}) {
    EXPECT_FALSE(IsClientName(name)) << name;
  }
  EXPECT_FALSE(IsClientName(std::string(256, 'x')));
}

}  // namespace
}  // namespace fermo::smtp
