#include "lib/base/log.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace fermo {
namespace {

using Json = nlohmann::json;

class LogTest : public testing::Test {
 protected:
  Logger MakeLogger(LogLevel level = LogLevel::kDebug) {
    return Logger::ToSink(level, "test",
                          [this](std::string_view line) { lines_.emplace_back(line); });
  }
  // The line as a reader of logs sees it.
  Json Last() const { return Json::parse(lines_.back()); }

  std::vector<std::string> lines_;
};

TEST_F(LogTest, ALineHasTimeLevelComponentEventAndTheFields) {
  const Logger log = MakeLogger();
  const MessageId id = ParseMessageId("5f3a9c0e12b47d68-3-1-2a").value();
  log.Info("message_accepted", {{log::kMessageId, id},
                                {log::kSegment, id.segment},
                                {log::kNode, id.segment.writer},
                                {log::kSeq, id.seq},
                                {log::kEpoch, Epoch(7)},
                                {log::kBytes, size_t{4096}},
                                {log::kCount, -1},
                                {log::kSeconds, std::chrono::milliseconds(1500)},
                                {log::kState, true},
                                {log::kError, absl::UnavailableError("peer gone")}});
  const Json line = Last();
  EXPECT_EQ(line["level"], "info");
  EXPECT_EQ(line["component"], "test");
  EXPECT_EQ(line["event"], "message_accepted");
  EXPECT_EQ(line["message_id"], "5f3a9c0e12b47d68-3-1-2a");
  EXPECT_EQ(line["segment"], "5f3a9c0e12b47d68-3-1");
  EXPECT_EQ(line["node"], "5f3a9c0e12b47d68");
  EXPECT_EQ(line["seq"], 42);
  EXPECT_EQ(line["epoch"], 7);
  EXPECT_EQ(line["bytes"], 4096);
  EXPECT_EQ(line["count"], -1);
  EXPECT_EQ(line["seconds"], 1.5);
  EXPECT_EQ(line["state"], true);
  EXPECT_EQ(line["error"], "UNAVAILABLE: peer gone");
  const std::string ts = line["ts"];
  EXPECT_EQ(ts.size(), std::string("2024-05-01T12:00:00.123Z").size()) << ts;
  EXPECT_EQ(ts.back(), 'Z');
}

TEST_F(LogTest, LinesBelowTheLevelAreNotWrittenAndTheLevelCanChange) {
  const Logger log = MakeLogger(LogLevel::kWarning);
  const Logger other = log.ForComponent("other");
  log.Info("quiet");
  log.Debug("quiet");
  EXPECT_TRUE(lines_.empty());
  other.Warning("loud");
  EXPECT_EQ(Last()["component"], "other");
  other.SetLevel(LogLevel::kDebug);
  log.Debug("heard");
  EXPECT_EQ(Last()["event"], "heard");
  log.SetLevel(LogLevel::kOff);
  log.Error("silenced");
  EXPECT_EQ(lines_.size(), 2u);
}

TEST_F(LogTest, AForeignStringCannotForgeALineOrAKey) {
  const Logger log = MakeLogger();
  const std::string hostile =
      "x\"}\r\n{\"level\":\"error\",\"event\":\"forged\"}\n\\\" \t\x01\x1b[31m";
  log.Warning("helo", {{log::kReason, hostile}});
  EXPECT_EQ(lines_.back().find('\n'), std::string::npos);
  EXPECT_EQ(lines_.back().find('\r'), std::string::npos);
  EXPECT_EQ(lines_.back().find('\x1b'), std::string::npos);
  const Json line = Last();
  EXPECT_EQ(line["event"], "helo");
  EXPECT_EQ(line["reason"], hostile) << "and reads back as it was";
}

TEST_F(LogTest, EventAndComponentAreEscapedToo) {
  const Logger log = MakeLogger().ForComponent("a\"b");
  log.Info("c\nd");
  EXPECT_EQ(Last()["component"], "a\"b");
  EXPECT_EQ(Last()["event"], "c\nd");
}

TEST_F(LogTest, EveryOctetValueMakesAValidLine) {
  const Logger log = MakeLogger();
  for (int octet = 0; octet < 256; ++octet) {
    std::string text = "a";
    text.push_back(static_cast<char>(octet));
    text.append("b");
    log.Info("octet", {{log::kReason, text}});
    const Json line = Last();
    if (octet < 0x80) {
      EXPECT_EQ(line["reason"], text);
    } else {
      EXPECT_EQ(line["reason"],
                "a\xef\xbf\xbd"
                "b")
          << octet;
    }
    for (const unsigned char c : lines_.back()) EXPECT_TRUE(c >= 0x20 && c != 0x7f) << octet;
  }
}

TEST_F(LogTest, InvalidUtf8BecomesTheReplacementCharacter) {
  const auto escaped = [](std::string_view text) {
    std::string out;
    AppendJsonEscaped(text, &out);
    return out;
  };
  const std::string bad = "\xef\xbf\xbd";
  EXPECT_EQ(escaped("caffè €  \xf0\x9f\x93\xae"), "caffè €  \xf0\x9f\x93\xae");
  EXPECT_EQ(escaped("\xc0\xaf"), bad + bad) << "an overlong slash";
  EXPECT_EQ(escaped("\xed\xa0\x80"), bad + bad + bad) << "a surrogate";
  EXPECT_EQ(escaped("\xf4\x90\x80\x80"), bad + bad + bad + bad) << "beyond U+10FFFF";
  EXPECT_EQ(escaped("\xe2\x82"), bad + bad) << "cut short";
  EXPECT_EQ(escaped("\xe2\x82z"), bad + bad + "z");
}

TEST_F(LogTest, WhatTerminalsObeyIsEscaped) {
  std::string out;
  AppendJsonEscaped("\x7f\xc2\x9b\xe2\x80\xa8\xe2\x80\xae\xef\xbb\xbf", &out);
  EXPECT_EQ(out, "\\u007f\\u009b\\u2028\\u202e\\ufeff");
}

TEST_F(LogTest, LongTextIsCutOffBetweenCharacters) {
  const Logger log = MakeLogger();
  log.Info("long", {{log::kReply, std::string(kMaxLoggedText, 'a')}});
  EXPECT_EQ(Last()["reply"], std::string(kMaxLoggedText, 'a'));
  log.Info("long", {{log::kReply, std::string(1 << 20, 'a')}});
  EXPECT_EQ(Last()["reply"], std::string(kMaxLoggedText, 'a') + "...");
  // The euro sign lies across the limit: it stays whole.
  log.Info("long", {{log::kReply, std::string(kMaxLoggedText - 1, 'a') + "€ and more"}});
  EXPECT_EQ(Last()["reply"], std::string(kMaxLoggedText - 1, 'a') + "€...");
}

TEST_F(LogTest, NumbersThatJsonDoesNotHaveBecomeNull) {
  const Logger log = MakeLogger();
  log.Info("odd", {{log::kSeconds, std::nan("")}, {log::kCount, HUGE_VAL}});
  EXPECT_TRUE(Last()["seconds"].is_null());
  EXPECT_TRUE(Last()["count"].is_null());
  log.Info("large", {{log::kBytes, ~uint64_t{0}}});
  EXPECT_EQ(Last()["bytes"], ~uint64_t{0});
}

TEST_F(LogTest, EveryKeyHasAName) {
  std::set<std::string_view> names;
  for (int key = 0; key < log::kKeyCount; ++key) {
    names.insert(log::KeyName(static_cast<log::Key>(key)));
  }
  EXPECT_EQ(names.size(), size_t{log::kKeyCount});
  EXPECT_FALSE(names.contains(""));
  EXPECT_EQ(log::KeyName(log::kMsg), "msg");
  EXPECT_EQ(log::KeyName(log::kRoute), "route");
  EXPECT_EQ(log::KeyName(log::kOperator), "operator");
}

TEST_F(LogTest, LevelsAreParsed) {
  EXPECT_EQ(ParseLogLevel("").value(), LogLevel::kInfo);
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    EXPECT_EQ(ParseLogLevel(ToString(level)).value(), level);
  }
  EXPECT_EQ(ParseLogLevel("loud").status().message(), "must be debug, info, warning or error");
}

TEST_F(LogTest, StdoutGetsWholeLinesInOrderAndAllOfThemBeforeTheLastHandleGoes) {
  testing::internal::CaptureStdout();
  {
    const Logger log = Logger::ToStdout(LogLevel::kInfo, "main");
    for (int i = 0; i < 500; ++i) log.Info("tick", {{log::kCount, i}});
    EXPECT_EQ(log.dropped(), 0u);
  }
  std::istringstream output(testing::internal::GetCapturedStdout());
  std::string line;
  int expected = 0;
  while (std::getline(output, line)) EXPECT_EQ(Json::parse(line)["count"], expected++);
  EXPECT_EQ(expected, 500);
}

TEST_F(LogTest, AStuckStdoutDropsTheOldestLinesAndBlocksNobody) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::fflush(stdout);
  const int kept = dup(STDOUT_FILENO);
  ASSERT_GE(dup2(ends[1], STDOUT_FILENO), 0);
  uint64_t dropped = 0;
  std::thread reader;
  {
    const Logger log = Logger::ToStdout(LogLevel::kInfo, "main");
    // Nobody reads: far more than the pipe and the queue hold.
    for (int i = 0; i < 20'000; ++i) log.Info("flood", {{log::kCount, i}});
    dropped = log.dropped();
    close(ends[1]);
    reader = std::thread([&] {
      char buffer[65536];
      while (read(ends[0], buffer, sizeof buffer) > 0) {
      }
    });
  }
  std::fflush(stdout);
  dup2(kept, STDOUT_FILENO);  // the last writing end of the pipe goes
  close(kept);
  reader.join();
  close(ends[0]);
  EXPECT_GT(dropped, 1000u);
}

TEST_F(LogTest, ThreadsDoNotMixTheirLines) {
  const Logger log = MakeLogger();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&log, t] {
      for (int i = 0; i < 250; ++i) log.Info("tick", {{log::kNode, NodeId(t)}, {log::kCount, i}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lines_.size(), 1000u);
  for (const std::string& line : lines_) EXPECT_TRUE(Json::accept(line)) << line;
}

TEST_F(LogTest, TheNullLoggerTakesEverything) {
  Logger::Null().Error("nothing", {{log::kMsg, "nobody hears"}});
}

}  // namespace
}  // namespace fermo
