#include "lib/base/random.h"

#include <algorithm>
#include <array>
#include <set>

#include "gtest/gtest.h"

namespace fermo {
namespace {

TEST(RngTest, TheSameSeedGivesTheSameNumbers) {
  Rng a(42);
  Rng b(42);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(a.NextU64(), b.NextU64());
}

TEST(RngTest, DifferentSeedsGiveDifferentNumbersAlsoZero) {
  std::set<uint64_t> first;
  for (uint64_t seed = 0; seed < 1000; ++seed) first.insert(Rng(seed).NextU64());
  EXPECT_EQ(first.size(), 1000u);
}

TEST(RngTest, UniformReachesEveryValueAboutEquallyOften) {
  Rng rng(1);
  std::array<int, 7> counts = {};
  for (int i = 0; i < 70'000; ++i) ++counts.at(rng.Uniform(7));
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 500);
}

TEST(RngTest, UniformOfOneIsZeroAndOfTheWholeRangeWorks) {
  Rng rng(2);
  EXPECT_EQ(rng.Uniform(1), 0u);
  uint64_t highest = 0;
  for (int i = 0; i < 100; ++i) highest = std::max(highest, rng.Uniform(Rng::max()));
  EXPECT_GT(highest, Rng::max() / 2);
}

TEST(RngTest, UnitIntervalStaysBelowOne) {
  Rng rng(3);
  for (int i = 0; i < 10'000; ++i) {
    const double x = rng.UnitInterval();
    ASSERT_GE(x, 0.0);
    ASSERT_LT(x, 1.0);
  }
}

TEST(RngTest, JitterStaysInItsBandAndFillsIt) {
  Rng rng(4);
  using std::chrono::milliseconds;
  Duration lowest = milliseconds(1000);
  Duration highest = milliseconds(1000);
  for (int i = 0; i < 10'000; ++i) {
    const Duration d = rng.Jitter(milliseconds(1000), 0.2);
    ASSERT_GE(d, milliseconds(800));
    ASSERT_LE(d, milliseconds(1200));
    lowest = std::min(lowest, d);
    highest = std::max(highest, d);
  }
  EXPECT_LT(lowest, milliseconds(810));
  EXPECT_GT(highest, milliseconds(1190));
}

TEST(RngTest, JitterOfNothingOrByNothingChangesNothing) {
  Rng rng(5);
  EXPECT_EQ(rng.Jitter(Duration(0), 0.5), Duration(0));
  EXPECT_EQ(rng.Jitter(std::chrono::seconds(3), 0.0), std::chrono::seconds(3));
  for (int i = 0; i < 100; ++i) EXPECT_GE(rng.Jitter(std::chrono::seconds(3), 1.0), Duration(0));
}

TEST(RngTest, SeedsOfTheSystemDiffer) { EXPECT_NE(RandomSeed(), RandomSeed()); }

}  // namespace
}  // namespace fermo
