// Who is granted to deliver alone, by a coordinator.
#include "lib/cluster/survivor_grants.h"

#include <gtest/gtest.h>

namespace fermo::cluster {
namespace {

using namespace std::chrono_literals;

constexpr Duration kLease = 10s;

class SurvivorGrantsTest : public testing::Test {
 protected:
  const NodeId a{1};
  const NodeId b{2};
  const SegmentId segment{NodeId(7), 1, 1};
  const SegmentId other{NodeId(7), 1, 2};
  const Instant start{100h};
  const Instant ready = start + 2 * kLease;  // it grants from here on
  SurvivorGrants grants{kLease, start};
};

// An earlier process may have granted it to somebody else.
TEST_F(SurvivorGrantsTest, NothingIsGrantedForTwoLeasesAfterTheStart) {
  EXPECT_FALSE(grants.Ask(segment, a, start));
  EXPECT_FALSE(grants.Ask(segment, a, ready - 1ms));
  EXPECT_EQ(grants.size(), 0u);
  EXPECT_TRUE(grants.Ask(segment, a, ready));
}

// Who asked in vain meanwhile has no claim to anything.
TEST_F(SurvivorGrantsTest, WhoAsksTooEarlyDoesNotComeFirst) {
  EXPECT_FALSE(grants.Ask(segment, a, ready - 1s));
  EXPECT_TRUE(grants.Ask(segment, b, ready));
  EXPECT_FALSE(grants.Ask(segment, a, ready + 1s));
}

TEST_F(SurvivorGrantsTest, AnotherIsRefusedAsLongAsTheFirstAsks) {
  for (Instant now = ready; now < ready + 5min; now += 3s) {
    EXPECT_TRUE(grants.Ask(segment, a, now));
    EXPECT_FALSE(grants.Ask(segment, b, now + 1s));
  }
}

// That the other goes on asking holds nothing up.
TEST_F(SurvivorGrantsTest, AnotherIsGrantedAfterTwoLeasesOfSilence) {
  ASSERT_TRUE(grants.Ask(segment, a, ready));
  for (Duration silence = 1s; silence <= 2 * kLease; silence += 1s) {
    EXPECT_FALSE(grants.Ask(segment, b, ready + silence));
  }
  const Instant over = ready + 2 * kLease + 1ms;
  EXPECT_TRUE(grants.Ask(segment, b, over));
  EXPECT_FALSE(grants.Ask(segment, a, over + 1s)) << "who comes back has to wait";
}

// A question that comes just in time counts from when it was asked.
TEST_F(SurvivorGrantsTest, TheSilenceCountsFromTheLastQuestion) {
  ASSERT_TRUE(grants.Ask(segment, a, ready));
  const Instant last = ready + 2 * kLease;
  ASSERT_TRUE(grants.Ask(segment, a, last));
  EXPECT_FALSE(grants.Ask(segment, b, last + 2 * kLease));
  EXPECT_TRUE(grants.Ask(segment, b, last + 2 * kLease + 1ms));
}

TEST_F(SurvivorGrantsTest, OneSegmentSaysNothingOfAnother) {
  ASSERT_TRUE(grants.Ask(segment, a, ready));
  EXPECT_TRUE(grants.Ask(other, b, ready));
  EXPECT_FALSE(grants.Ask(segment, b, ready + 1s));
  EXPECT_FALSE(grants.Ask(other, a, ready + 1s));
  // One falls silent, the other does not.
  for (Duration age = 5s; age <= 30s; age += 5s) EXPECT_TRUE(grants.Ask(segment, a, ready + age));
  EXPECT_TRUE(grants.Ask(other, a, ready + 30s));
  EXPECT_FALSE(grants.Ask(segment, b, ready + 30s));
}

TEST_F(SurvivorGrantsTest, WhatIsOverIsForgotten) {
  ASSERT_TRUE(grants.Ask(segment, a, ready));
  ASSERT_TRUE(grants.Ask(other, a, ready + 15s));
  EXPECT_EQ(grants.size(), 2u);
  EXPECT_TRUE(grants.Ask(other, a, ready + 30s));
  EXPECT_EQ(grants.size(), 1u);
}

}  // namespace
}  // namespace fermo::cluster
