#include "lib/net/deadline.h"

#include "gtest/gtest.h"
#include "lib/net/event.h"
#include "tests/unit/net/loop.h"

namespace fermo::net {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

class DeadlineTest : public testing::Test {
 protected:
  test::Loop loop_;
  int expiries_ = 0;
  std::optional<Deadline> deadline_{std::in_place, loop_.executor(), [this] { ++expiries_; }};
};

TEST_F(DeadlineTest, ItExpiresOnceAndNotEarly) {
  const auto start = std::chrono::steady_clock::now();
  deadline_->Arm(milliseconds(30));
  EXPECT_FALSE(deadline_->expired());
  loop_.RunUntil([this] { return expiries_ > 0; });
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(30));
  EXPECT_TRUE(deadline_->expired());
  loop_.io().run();
  EXPECT_EQ(expiries_, 1);
}

TEST_F(DeadlineTest, MovedOnItDoesNotExpireAtTheOldTime) {
  deadline_->Arm(milliseconds(10));
  deadline_->Arm(milliseconds(80));
  const auto start = std::chrono::steady_clock::now();
  loop_.RunUntil([this] { return expiries_ > 0; });
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(70));
}

TEST_F(DeadlineTest, MovedForwardItExpiresAtTheEarlierTime) {
  deadline_->Arm(hours(1));
  deadline_->Arm(milliseconds(10));
  loop_.RunUntil([this] { return expiries_ > 0; });
  EXPECT_EQ(expiries_, 1);
}

TEST_F(DeadlineTest, CancelledItKeepsTheLoopFromNothing) {
  deadline_->Arm(hours(1));
  loop_.io().poll();
  deadline_->Cancel();
  EXPECT_EQ(loop_.io().run_for(seconds(20)), 1u);  // the wait that was taken back
  EXPECT_TRUE(loop_.io().stopped());               // nothing is left to wait for
  loop_.io().restart();
  deadline_->Arm(milliseconds(1));
  loop_.RunUntil([this] { return expiries_ > 0; });
  EXPECT_EQ(expiries_, 1);
}

TEST_F(DeadlineTest, AnExpiryThatWasQueuedFindsTheDeadlineMoved) {
  deadline_->Arm(milliseconds(1));
  // The timer is due, but its handler has not run when the next operation starts.
  const auto due = std::chrono::steady_clock::now() + milliseconds(5);
  while (std::chrono::steady_clock::now() < due) {
  }
  deadline_->Arm(milliseconds(50));
  loop_.io().run_for(milliseconds(20));
  EXPECT_EQ(expiries_, 0);
  EXPECT_FALSE(deadline_->expired());
  loop_.io().restart();
  loop_.RunUntil([this] { return expiries_ == 1; });
}

TEST_F(DeadlineTest, DisarmedItDoesNotExpireAndKeepsTheLoopNoLongerThanItsWait) {
  deadline_->Arm(milliseconds(10));
  deadline_->Disarm();
  loop_.io().run();
  EXPECT_EQ(expiries_, 0);
}

TEST_F(DeadlineTest, ItIsArmedAgainAfterAnExpiry) {
  deadline_->Arm(milliseconds(1));
  loop_.RunUntil([this] { return expiries_ == 1; });
  deadline_->Arm(milliseconds(1));
  EXPECT_FALSE(deadline_->expired());
  loop_.RunUntil([this] { return expiries_ == 2; });
}

TEST_F(DeadlineTest, DestroyedItNeverExpires) {
  deadline_->Arm(milliseconds(1));
  deadline_.reset();
  loop_.io().run();
  EXPECT_EQ(expiries_, 0);
}

Awaitable<void> WaitFor(Event* event, Duration d, std::vector<bool>* results) {
  const bool set = co_await event->WaitFor(d);
  results->push_back(set);
}

class EventTest : public testing::Test {
 protected:
  test::Loop loop_;
  Event event_{loop_.executor()};
  std::vector<bool> results_;
};

TEST_F(EventTest, SetWakesAllWhoWaitAndAllWhoComeLater) {
  Spawn(loop_.executor(), WaitFor(&event_, seconds(20), &results_));
  Spawn(loop_.executor(), WaitFor(&event_, seconds(20), &results_));
  loop_.io().poll();
  EXPECT_TRUE(results_.empty());
  event_.Set();
  loop_.RunUntil([this] { return results_.size() == 2; });
  loop_.Run(WaitFor(&event_, seconds(20), &results_));
  EXPECT_EQ(results_, std::vector<bool>({true, true, true}));
}

TEST_F(EventTest, ASetThatIsResetAtOnceStillWakesTheWaiters) {
  Spawn(loop_.executor(), WaitFor(&event_, seconds(20), &results_));
  loop_.io().poll();
  event_.Set();
  event_.Reset();
  loop_.RunUntil([this] { return results_.size() == 1; });
  EXPECT_TRUE(results_[0]);
  EXPECT_FALSE(event_.is_set());
}

TEST_F(EventTest, AWaitEndsByItself) {
  loop_.Run(WaitFor(&event_, milliseconds(10), &results_));
  EXPECT_EQ(results_, std::vector<bool>({false}));
}

TEST_F(EventTest, ItMayGoWhileSomebodyWaits) {
  auto event = std::make_unique<Event>(loop_.executor());
  Spawn(loop_.executor(), WaitFor(event.get(), milliseconds(10), &results_));
  loop_.io().poll();
  event.reset();
  loop_.RunUntil([this] { return results_.size() == 1; });
  EXPECT_FALSE(results_[0]);
}

Awaitable<void> Throw() {
  throw std::runtime_error("out of luck");
  co_return;
}

TEST(SpawnTest, AnExceptionEndsTheCoroutineAndIsTold) {
  test::Loop loop;
  std::optional<absl::Status> done;
  Spawn(loop.executor(), Throw(), [&done](absl::Status status) { done = status; });
  loop.RunUntil([&done] { return done.has_value(); });
  EXPECT_EQ(done->ToString(), "INTERNAL: exception out of luck");
}

TEST(SpawnTest, ThatNobodyWatchesAnExceptionEndsTheRun) {
  test::Loop loop;
  Spawn(loop.executor(), Throw());
  EXPECT_THROW(loop.io().run(), std::runtime_error);
}

TEST(SpawnTest, SleepWaitsItsTime) {
  test::Loop loop;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(loop.Run(SleepFor(milliseconds(20))));
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(20));
}

}  // namespace
}  // namespace fermo::net
