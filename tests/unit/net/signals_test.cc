#include "lib/net/signals.h"

#include <csignal>

#include "gtest/gtest.h"
#include "tests/unit/net/loop.h"

namespace fermo::net {
namespace {

class SignalsTest : public testing::Test {
 protected:
  test::Loop loop_;
  int drains_ = 0;
  int reloads_ = 0;
  Signals signals_{loop_.executor(), Logger::Null(), [this] { ++drains_; }, [this] { ++reloads_; }};
};

TEST_F(SignalsTest, HangupReloadsEveryTime) {
  std::raise(SIGHUP);
  loop_.RunUntil([this] { return reloads_ == 1; });
  std::raise(SIGHUP);
  loop_.RunUntil([this] { return reloads_ == 2; });
  EXPECT_EQ(drains_, 0);
}

TEST_F(SignalsTest, TermDrainsAndHangupIsStillHeard) {
  std::raise(SIGTERM);
  loop_.RunUntil([this] { return drains_ == 1; });
  std::raise(SIGHUP);
  loop_.RunUntil([this] { return reloads_ == 1; });
}

TEST_F(SignalsTest, InterruptDrains) {
  std::raise(SIGINT);
  loop_.RunUntil([this] { return drains_ == 1; });
}

TEST_F(SignalsTest, ClosedTheyLetTheLoopEnd) {
  signals_.Close();
  loop_.io().run();
}

using SignalsDeathTest = SignalsTest;

TEST_F(SignalsDeathTest, TheSecondTermEndsTheProcessAtOnce) {
  EXPECT_EXIT(
      {
        std::raise(SIGTERM);
        loop_.RunUntil([this] { return drains_ == 1; });
        std::raise(SIGINT);
        loop_.RunUntil([] { return false; });
      },
      testing::ExitedWithCode(128 + SIGINT), "");
}

TEST(SignalsWithoutReloadTest, HangupIsOnlyLogged) {
  test::Loop loop;
  std::string line;
  Signals signals(
      loop.executor(),
      Logger::ToSink(LogLevel::kInfo, "main", [&line](std::string_view text) { line = text; }),
      [] {}, {});
  std::raise(SIGHUP);
  loop.RunUntil([&line] { return !line.empty(); });
  EXPECT_NE(line.find("\"event\":\"reload_requested\",\"signal\":\"SIGHUP\""), std::string::npos);
}

}  // namespace
}  // namespace fermo::net
