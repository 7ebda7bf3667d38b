// A primary that fails at one stage of the dialogue after another: nothing is
// lost, and nothing waits longer than the primary does.
#include <gtest/gtest.h>

#include "tests/unit/delivery/harness.h"

namespace fermo::node {
namespace {

using std::chrono::milliseconds;

class StageTest : public DelivererTest, public testing::WithParamInterface<const char*> {
 protected:
  StageTest() { options_.route.probe_interval = milliseconds(100); }
};

TEST_P(StageTest, LosesNothingWhenA421ComesThere) {
  const std::string stage = GetParam();
  ScriptedPrimary primary(0, [&](int connection, const std::string& command) {
    return connection < 3 && Is(command, stage) ? "421 4.3.2 Going down" : "";
  });
  RouteTo("a.test", primary.port());
  Start();
  for (int i = 0; i < 10; ++i) Put({"u@a.test"}, kSmall);
  EXPECT_TRUE(RunUntil([&] { return delivered() == 10; })) << "without waiting for a retry";
  EXPECT_EQ(primary.accepted(), 10U);
}

TEST_P(StageTest, LosesNothingWhenTheConnectionIsClosedThere) {
  const std::string stage = GetParam();
  ScriptedPrimary primary(0, [&](int connection, const std::string& command) {
    return connection < 3 && Is(command, stage) ? std::string(ScriptedPrimary::kClose)
                                                : std::string();
  });
  RouteTo("a.test", primary.port());
  Start();
  for (int i = 0; i < 10; ++i) Put({"u@a.test"}, kSmall);
  EXPECT_TRUE(RunUntil([&] { return delivered() == 10; }));
  EXPECT_EQ(primary.accepted(), 10U);
}

TEST_P(StageTest, GivesUpAPrimaryThatHangsThereAndComesBack) {
  const std::string stage = GetParam();
  for (Duration* timeout :
       {&options_.connection.timeouts.greeting, &options_.connection.timeouts.hello,
        &options_.connection.timeouts.mail, &options_.connection.timeouts.rcpt,
        &options_.connection.timeouts.data, &options_.connection.timeouts.final_dot}) {
    *timeout = milliseconds(200);
  }
  options_.queue.retry_first = milliseconds(500);  // after silence behind the dot
  ScriptedPrimary primary(0, [&](int connection, const std::string& command) {
    return connection < 2 && Is(command, stage) ? std::string(ScriptedPrimary::kHang)
                                                : std::string();
  });
  RouteTo("a.test", primary.port());
  Start();
  for (int i = 0; i < 3; ++i) Put({"u@a.test"}, kSmall);
  EXPECT_TRUE(RunUntil([&] { return delivered() == 3; }));
}

INSTANTIATE_TEST_SUITE_P(Everywhere, StageTest,
                         testing::Values("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."),
                         [](const auto& stage) {
                           return std::string(stage.param) == "." ? "FinalDot" : stage.param;
                         });

}  // namespace
}  // namespace fermo::node
