#include "lib/smtp/command.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace fermo::smtp {
namespace {

TEST(Command, VerbsAreKnownInAnyCaseWithWhiteSpaceBehind) {
  EXPECT_EQ(ParseCommand("EHLO a.test").verb, Verb::kEhlo);
  EXPECT_EQ(ParseCommand("eHlO a.test").argument, "a.test");
  EXPECT_EQ(ParseCommand("QUIT  \t").verb, Verb::kQuit);
  EXPECT_EQ(ParseCommand("QUIT  \t").argument, "");
  EXPECT_EQ(ParseCommand("DATA\tx ").argument, "x");
}

TEST(Command, OtherWordsAreUnknownUnimplementedOrForbidden) {
  EXPECT_EQ(ParseCommand("").verb, Verb::kUnknown);
  EXPECT_EQ(ParseCommand(" QUIT").verb, Verb::kUnknown);
  EXPECT_EQ(ParseCommand("QUITE").verb, Verb::kUnknown);
  EXPECT_EQ(ParseCommand("MAILFROM:<a@b>").verb, Verb::kUnknown);
  for (const char* verb : {"EXPN x", "AUTH PLAIN", "BDAT 5", "STARTTLS", "ETRN x", "TURN"}) {
    EXPECT_EQ(ParseCommand(verb).verb, Verb::kUnimplemented) << verb;
  }
  EXPECT_EQ(ParseCommand("GET / HTTP/1.1").verb, Verb::kForbidden);
  EXPECT_EQ(ParseCommand("POST / HTTP/1.1").verb, Verb::kForbidden);
}

TEST(Command, EveryVerbHasAName) {
  for (size_t i = 0; i < kVerbCount; ++i) EXPECT_NE(ToString(static_cast<Verb>(i)), "");
  EXPECT_EQ(ToString(Verb::kContent), "content");
  EXPECT_EQ(ToString(Verb::kNone), "none");
}

TEST(Command, TextIsPrintableAsciiAndTab) {
  EXPECT_TRUE(IsCommandText("MAIL FROM:<a@b>\tx"));
  EXPECT_FALSE(IsCommandText(std::string_view("NO\0OP", 5)));
  EXPECT_FALSE(IsCommandText("NOOP\n"));
  EXPECT_FALSE(IsCommandText("NOOP\r"));
  EXPECT_FALSE(IsCommandText("NOOP \x7f"));
  EXPECT_FALSE(IsCommandText("NOOP \xc3\xa9"));
}

TEST(Command, PathPrefixesAreTakenInAnyCaseWithASpaceBehind) {
  std::string_view mail = "from: <a@b>";
  EXPECT_TRUE(TakePathPrefix(mail, PathKind::kReverse));
  EXPECT_EQ(mail, "<a@b>");
  std::string_view wrong = "TO:<a@b>";
  EXPECT_FALSE(TakePathPrefix(wrong, PathKind::kReverse));
  std::string_view spaced = "FROM :<a@b>";
  EXPECT_FALSE(TakePathPrefix(spaced, PathKind::kReverse));
  std::string_view rcpt = "To:<a@b>";
  EXPECT_TRUE(TakePathPrefix(rcpt, PathKind::kForward));
}

TEST(Command, ParametersHaveKeywordsAndMaybeValues) {
  const auto parameters = ParseParameters("  SIZE=100 body=8BITMIME\tX-Y ");
  ASSERT_TRUE(parameters.ok());
  ASSERT_EQ(parameters->size(), 3u);
  EXPECT_EQ((*parameters)[0].keyword, "SIZE");
  EXPECT_EQ((*parameters)[0].value, "100");
  EXPECT_EQ((*parameters)[1].keyword, "body");
  EXPECT_FALSE((*parameters)[2].value.has_value());
  EXPECT_TRUE(ParseParameters("")->empty());
}

TEST(Command, BadParametersAreRefused) {
  for (const char* text : {"SIZE=1", " =1", " SIZE=", " -X=1", " S_Z=1", " SIZE=1=2",
                           " SIZE=1 size=2", " SIZE=\x01"}) {
    EXPECT_FALSE(ParseParameters(text).ok()) << text;
  }
}

TEST(Command, SizeDoesntWrap) {
  EXPECT_EQ(*ParseSizeValue("0"), 0u);
  EXPECT_EQ(*ParseSizeValue("10485760"), 10485760u);
  EXPECT_EQ(*ParseSizeValue("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(*ParseSizeValue("18446744073709551616"), UINT64_MAX);
  EXPECT_EQ(*ParseSizeValue("99999999999999999999"), UINT64_MAX);
  for (const char* text : {"", "-1", "+5", "0x10", "1 ", "1e3", "999999999999999999999"}) {
    EXPECT_FALSE(ParseSizeValue(text).ok()) << text;
  }
}

}  // namespace
}  // namespace fermo::smtp
