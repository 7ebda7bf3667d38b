#include "lib/spool/retry.h"

#include <gtest/gtest.h>

#include <set>

namespace fermo::spool {
namespace {

using std::chrono::minutes;

TEST(NextDelay, DoublesFromOneMinuteToThirtyAndStaysThere) {
  Rng rng(1);
  const int expected[] = {1, 2, 4, 8, 16, 30, 30, 30};
  for (uint32_t attempt = 1; attempt <= std::size(expected); ++attempt) {
    Duration full = minutes(expected[attempt - 1]);
    for (int i = 0; i < 200; ++i) {
      Duration delay = NextDelay(attempt, rng);
      EXPECT_LE(delay, full) << attempt;
      EXPECT_GE(delay, full - full / 4) << attempt;
    }
  }
}

TEST(NextDelay, SpreadsLegsThatFailedTogether) {
  Rng rng(2);
  std::set<Duration> delays;
  for (int i = 0; i < 100; ++i) delays.insert(NextDelay(3, rng));
  EXPECT_GT(delays.size(), 95u);
}

TEST(NextDelay, IsTheSameForTheSameSeed) {
  Rng one(3);
  Rng two(3);
  EXPECT_EQ(NextDelay(5, one), NextDelay(5, two));
}

TEST(NextDelay, DoesNotOverflowAfterMillionsOfAttempts) {
  Rng rng(4);
  BackOff back_off;
  back_off.max = Duration::max();
  EXPECT_GT(NextDelay(UINT32_MAX, rng, back_off), Duration::max() / 2);
}

TEST(NextDelay, TakesAttemptZeroForTheFirst) {
  Rng rng(5);
  EXPECT_LE(NextDelay(0, rng), Duration(minutes(1)));
}

}  // namespace
}  // namespace fermo::spool
