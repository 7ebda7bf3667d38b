#include "lib/cluster/route.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace fermo::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RouteTest : public testing::Test {
 protected:
  Rng rng_{1};
  Instant now_{seconds(1000)};
  RouteMachine route_{RouteOptions(), now_, rng_};
  int probes_ = 0;
  std::vector<std::string> changes_;

  void Step(const RouteEvent& event) {
    for (const RouteAction& action : route_.Step(event, now_)) {
      if (std::holds_alternative<StartProbe>(action)) {
        ++probes_;
      } else {
        const auto& change = std::get<RouteChanged>(action);
        changes_.push_back(std::string(ToString(change.from)) + ">" +
                           std::string(ToString(change.to)));
      }
    }
  }
  void Pass(Duration d) {  // with ticks when they are wanted
    const Instant end = now_ + d;
    while (route_.NextTick() <= end) {
      now_ = std::max(now_, route_.NextTick());
      Step(RouteTick{});
    }
    now_ = end;
  }
  void MailWaits() { Step(DemandChanged{true, true}); }
  void Probe(bool ok) { Step(ProbeDone{ok, ok ? "" : "connection refused"}); }
  void Attempt(AttemptResult result) { Step(AttemptDone{result, "why"}); }
  void BringUp() {
    MailWaits();
    Probe(true);
    while (route_.state() != RouteState::kUp) Attempt(AttemptResult::kDelivered);
  }
};

TEST_F(RouteTest, IsUnknownAndClosedUntilTheFirstProbe) {
  EXPECT_EQ(route_.state(), RouteState::kUnknown);
  EXPECT_EQ(route_.connections(), 0U);
  Pass(seconds(5));
  EXPECT_EQ(probes_, 1);
}

TEST_F(RouteTest, IsProbedAtOnceWhenMailComes) {
  MailWaits();
  EXPECT_EQ(probes_, 1);
}

TEST_F(RouteTest, NeverRunsTwoProbesAtOnce) {
  MailWaits();
  Pass(seconds(100));
  EXPECT_EQ(probes_, 1);
}

TEST_F(RouteTest, IsProbedEverySecondWhileDownWithMailWaiting) {
  MailWaits();
  Probe(false);
  EXPECT_EQ(route_.state(), RouteState::kDown);
  EXPECT_EQ(route_.reason(), "connection refused");
  for (int i = 1; i <= 10; ++i) {
    Pass(seconds(1));
    EXPECT_EQ(probes_, 1 + i);
    Probe(false);
  }
}

TEST_F(RouteTest, CountsTheProbeIntervalFromTheStartOfTheProbe) {
  MailWaits();
  now_ += milliseconds(600);
  Probe(false);
  Pass(milliseconds(399));
  EXPECT_EQ(probes_, 1);
  Pass(milliseconds(1));
  EXPECT_EQ(probes_, 2);
  now_ += seconds(10);  // a timeout
  Probe(false);
  EXPECT_EQ(probes_, 2) << "not without a pause";
  Pass(milliseconds(250));
  EXPECT_EQ(probes_, 3);
}

TEST_F(RouteTest, IsProbedRarelyWithoutMail) {
  Pass(seconds(5));
  Probe(false);
  Pass(milliseconds(22400));
  EXPECT_EQ(probes_, 1);
  Pass(milliseconds(15200));
  EXPECT_EQ(probes_, 2);
}

TEST_F(RouteTest, IsProbedWithinASecondWhenMailComesToARouteThatIsDown) {
  Pass(seconds(5));
  Probe(false);
  MailWaits();
  Pass(seconds(1));
  EXPECT_EQ(probes_, 2);
}

TEST_F(RouteTest, GoesUpByAProbeWhenNoMailIsReady) {
  Pass(seconds(5));
  Probe(true);
  EXPECT_EQ(route_.state(), RouteState::kUp);
  EXPECT_EQ(route_.connections(), 1U) << "one connection first";
}

TEST_F(RouteTest, TriesOneMessageOverOneConnectionFirst) {
  MailWaits();
  Probe(true);
  EXPECT_EQ(route_.state(), RouteState::kCanary);
  EXPECT_EQ(route_.connections(), 1U);
}

TEST_F(RouteTest, DoublesConnectionsWhileItGoesWell) {
  MailWaits();
  Probe(true);
  std::vector<uint32_t> seen;
  for (int i = 0; i < 9; ++i) {
    Attempt(AttemptResult::kDelivered);
    seen.push_back(route_.connections());
  }
  EXPECT_EQ(seen, (std::vector<uint32_t>{2, 2, 4, 4, 4, 4, 8, 8, 8}));
  EXPECT_EQ(changes_, (std::vector<std::string>{"unknown>canary", "canary>ramp", "ramp>up"}));
}

TEST_F(RouteTest, ParksAfterACanaryWhoseConnectionBreaks) {
  MailWaits();
  Probe(true);
  Attempt(AttemptResult::kBroken);
  EXPECT_EQ(route_.state(), RouteState::kDown);
  EXPECT_EQ(route_.connections(), 0U);
  Pass(seconds(1));
  EXPECT_EQ(probes_, 2);
}

TEST_F(RouteTest, IsNeverParkedByRepliesToMessages) {
  MailWaits();
  Probe(true);
  for (int i = 0; i < 100; ++i) {
    Attempt(AttemptResult::kDeferred);
    Attempt(AttemptResult::kRejected);
    EXPECT_GE(route_.connections(), 1U);
  }
  EXPECT_EQ(route_.state(), RouteState::kRamp);
}

TEST_F(RouteTest, HalvesOnceForTroubleThatAllConnectionsReport) {
  BringUp();
  ASSERT_EQ(route_.connections(), 8U);
  for (int i = 0; i < 8; ++i) Attempt(AttemptResult::kDeferred);
  EXPECT_EQ(route_.connections(), 4U);
  Attempt(AttemptResult::kDeferred);
  EXPECT_EQ(route_.connections(), 2U);
}

TEST_F(RouteTest, GoesDownAfterTwoBrokenConnectionsInARow) {
  BringUp();
  Attempt(AttemptResult::kBroken);
  EXPECT_EQ(route_.state(), RouteState::kUp);
  EXPECT_EQ(route_.connections(), 4U);
  Attempt(AttemptResult::kDelivered);
  Attempt(AttemptResult::kBroken);
  EXPECT_EQ(route_.state(), RouteState::kUp) << "a success lies between";
  Attempt(AttemptResult::kBroken);
  EXPECT_EQ(route_.state(), RouteState::kDown);
  EXPECT_EQ(route_.reason(), "why");
}

TEST_F(RouteTest, ComesBackByAConnectionThatOutlivedTheFailures) {
  BringUp();
  Attempt(AttemptResult::kBroken);
  Attempt(AttemptResult::kBroken);
  ASSERT_EQ(route_.state(), RouteState::kDown);
  Attempt(AttemptResult::kDelivered);
  EXPECT_EQ(route_.state(), RouteState::kRamp);
  EXPECT_EQ(route_.connections(), 2U);
}

TEST_F(RouteTest, LearnsNothingFromAttemptsThatWeGaveUp) {
  MailWaits();
  Probe(true);
  Attempt(AttemptResult::kAbandoned);
  EXPECT_EQ(route_.state(), RouteState::kCanary);
  EXPECT_EQ(route_.connections(), 1U);
}

TEST_F(RouteTest, TakesLiveTrafficForProbes) {
  BringUp();
  probes_ = 0;
  for (int i = 0; i < 60; ++i) {
    Pass(seconds(1));
    Attempt(AttemptResult::kDelivered);
  }
  EXPECT_EQ(probes_, 0);
}

TEST_F(RouteTest, IsProbedAgainSoonAfterAFailedProbeWhileUp) {
  BringUp();
  Step(DemandChanged{false, false});
  probes_ = 0;
  Pass(seconds(38));
  ASSERT_EQ(probes_, 1);
  Probe(false);
  EXPECT_EQ(route_.state(), RouteState::kUp);
  Pass(seconds(1));
  ASSERT_EQ(probes_, 2);
  Probe(false);
  EXPECT_EQ(route_.state(), RouteState::kDown);
}

TEST_F(RouteTest, EndsTheRampWhenNoMailIsLeft) {
  MailWaits();
  Probe(true);
  Attempt(AttemptResult::kDelivered);
  ASSERT_EQ(route_.state(), RouteState::kRamp);
  Step(DemandChanged{false, false});
  EXPECT_EQ(route_.state(), RouteState::kUp);
  EXPECT_EQ(route_.connections(), 2U);
}

TEST_F(RouteTest, IsUpWithOneConnectionWhenThatIsTheLimit) {
  RouteOptions options;
  options.max_connections = 1;
  RouteMachine narrow(options, now_, rng_);
  narrow.Step(DemandChanged{true, true}, now_);
  narrow.Step(ProbeDone{true, ""}, now_);
  narrow.Step(AttemptDone{AttemptResult::kDelivered, ""}, now_);
  EXPECT_EQ(narrow.state(), RouteState::kUp);
  EXPECT_EQ(narrow.connections(), 1U);
}

}  // namespace
}  // namespace fermo::cluster
