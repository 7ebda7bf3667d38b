#include "lib/smtp/reply.h"

#include <gtest/gtest.h>

#include <string>

#include "lib/smtp/reply_for_status.h"

namespace fermo::smtp {
namespace {

std::string Format(const Reply& reply) {
  std::string out;
  AppendTo(reply, out);
  return out;
}

TEST(Reply, IsFormattedWithItsCodesOnEveryLine) {
  EXPECT_EQ(Format(MakeReply(550, {5, 7, 1}, "Relaying denied")), "550 5.7.1 Relaying denied\r\n");
  Reply reply = MakeReply(250, {2, 0, 0}, "one");
  reply.lines.emplace_back("two");
  EXPECT_EQ(Format(reply), "250-2.0.0 one\r\n250 2.0.0 two\r\n");
  Reply hello = MakePlainReply(250, "mx.test");
  hello.lines.emplace_back("SIZE 10");
  EXPECT_EQ(Format(hello), "250-mx.test\r\n250 SIZE 10\r\n");
}

TEST(Reply, LinesAreCutAt512OctetsAndCleaned) {
  const std::string line = Format(MakeReply(250, {2, 0, 0}, std::string(600, 'x')));
  EXPECT_EQ(line.size(), 512u);
  EXPECT_TRUE(line.ends_with("x\r\n"));
  EXPECT_EQ(Format(MakeReply(500, {5, 5, 2}, "a\r\n250 b\x7f")), "500 5.5.2 a??250 b?\r\n");
}

TEST(Reply, ClassIsTheFirstDigit) {
  EXPECT_EQ(MakePlainReply(250, "").klass(), ReplyClass::kPositive);
  EXPECT_EQ(MakePlainReply(354, "").klass(), ReplyClass::kIntermediate);
  EXPECT_EQ(MakePlainReply(499, "").klass(), ReplyClass::kTransient);
  EXPECT_EQ(MakePlainReply(521, "").klass(), ReplyClass::kPermanent);
  EXPECT_EQ(MakePlainReply(120, "").klass(), ReplyClass::kBroken);
  EXPECT_EQ(MakePlainReply(650, "").klass(), ReplyClass::kBroken);
}

TEST(Reply, OneLineJoinsCutsAndCleans) {
  Reply reply = MakeReply(550, {5, 1, 1}, "No such\x1b user");
  reply.lines.emplace_back("");
  reply.lines.emplace_back("Ask\telsewhere");
  EXPECT_EQ(OneLine(reply), "550 5.1.1 No such? user Ask elsewhere");
  EXPECT_EQ(OneLine(reply, 9), "550 5.1.1");
}

absl::StatusOr<std::optional<Reply>> ParseOne(std::string_view text) {
  ReplyParser parser;
  return parser.Next(text);
}

TEST(ReplyParser, TakesSingleAndMultiLineReplies) {
  const auto single = ParseOne("250 2.1.0 Ok\r\n");
  ASSERT_TRUE(single.ok() && single->has_value());
  EXPECT_EQ(**single, MakeReply(250, {2, 1, 0}, "Ok"));
  const auto multi = ParseOne("250-mx.test greets you\r\n250-SIZE 100\r\n250 8BITMIME\r\n");
  ASSERT_TRUE(multi.ok() && multi->has_value());
  EXPECT_EQ((*multi)->lines,
            (std::vector<std::string>{"mx.test greets you", "SIZE 100", "8BITMIME"}));
}

TEST(ReplyParser, TakesBareCodesAndBareLineFeeds) {
  EXPECT_EQ((*ParseOne("250\r\n"))->code, 250);
  EXPECT_EQ((*ParseOne("421\n"))->code, 421);
  EXPECT_EQ((*ParseOne("250 \r\n"))->lines, (std::vector<std::string>{""}));
}

TEST(ReplyParser, AnEnhancedCodeOfAnotherClassIsText) {
  const auto reply = ParseOne("550 2.0.0 odd\r\n");
  EXPECT_FALSE((*reply)->enhanced.has_value());
  EXPECT_EQ((*reply)->lines[0], "2.0.0 odd");
  EXPECT_FALSE((*ParseOne("220 2.2.2.2 hello\r\n"))->enhanced.has_value());
}

TEST(ReplyParser, GivesTheSameForEveryCut) {
  const std::string text = "250-a\r\n250-b\r\n250 c\r\n354 go\r\n550 5.1.1 no\r\n";
  for (size_t size = 1; size < text.size(); ++size) {
    ReplyParser parser;
    std::vector<int> codes;
    for (size_t i = 0; i < text.size(); i += size) {
      std::string_view piece = std::string_view(text).substr(i, size);
      while (true) {
        auto reply = parser.Next(piece);
        ASSERT_TRUE(reply.ok());
        if (!reply->has_value()) break;
        codes.push_back((*reply)->code);
      }
    }
    EXPECT_EQ(codes, (std::vector<int>{250, 354, 550})) << size;
    EXPECT_FALSE(parser.partial());
  }
}

TEST(ReplyParser, RefusesWhatIsNoReply) {
  for (const char* text : {"HTTP/1.1 400 Bad\r\n", "25\r\n", "\r\n", "25a ok\r\n", "250_ok\r\n",
                           "250-a\r\n251 b\r\n", "-50 x\r\n"}) {
    EXPECT_FALSE(ParseOne(text).ok()) << text;
  }
}

TEST(ReplyParser, BoundsLinesAndOctetsOfAHostileServer) {
  std::string endless;
  for (int i = 0; i < 101; ++i) endless += "250-x\r\n";
  EXPECT_FALSE(ParseOne(endless).ok());
  ReplyParser parser;
  const std::string noise(1000, '2');
  bool refused = false;
  for (int i = 0; i < 20 && !refused; ++i) {
    std::string_view piece = noise;
    refused = !parser.Next(piece).ok();
  }
  EXPECT_TRUE(refused);
}

TEST(ReplyParser, CleansTextForLogsAndDsns) {
  EXPECT_EQ((*ParseOne("550 a\x1b[31m\xff\r\n"))->lines[0], "a?[31m?");
}

TEST(ReplyForStatus, OurOwnTroubleIsAlwaysTransient) {
  for (int code = 1; code <= 16; ++code) {
    const Reply reply =
        ReplyForStatus(absl::Status(static_cast<absl::StatusCode>(code), "secret detail"));
    EXPECT_EQ(reply.klass(), ReplyClass::kTransient) << code;
    ASSERT_TRUE(reply.enhanced.has_value());
    EXPECT_EQ(reply.enhanced->klass, 4);
    EXPECT_EQ(OneLine(reply).find("secret"), std::string::npos);
  }
  EXPECT_EQ(ReplyForStatus(absl::UnavailableError("")).code, 451);
  EXPECT_EQ(ToString(*ReplyForStatus(absl::DeadlineExceededError("")).enhanced), "4.3.0");
  EXPECT_EQ(ToString(*ReplyForStatus(absl::UnknownError("")).enhanced), "4.4.2");
  EXPECT_EQ(ReplyForStatus(absl::ResourceExhaustedError("")).code, 452);
  EXPECT_EQ(ToString(*ReplyForStatus(absl::ResourceExhaustedError("")).enhanced), "4.3.1");
}

}  // namespace
}  // namespace fermo::smtp
