// How long peers take to acknowledge, and how far they are behind.
#include "node/replication/ack_times.h"

#include <gtest/gtest.h>

#include <vector>

namespace fermo::node {
namespace {

using namespace std::chrono_literals;

constexpr NodeId kPeer(2);
const SegmentId kSegment{NodeId(1), 1, 1};
const Instant kStart = Instant{} + 100s;

class AckTimesTest : public testing::Test {
 protected:
  void Stored(uint32_t seq, Instant now, bool refused = false) {
    const cluster::Stored stored{kSegment, cluster::SetOf(Seq(seq)), refused, Epoch()};
    times_.Stored(kPeer, stored, now, [&](Duration taken) { taken_.push_back(taken); });
  }
  Duration Lag(Instant now) {
    return times_.Lag(kPeer, now, [&](const MessageId& id) { return id.seq != not_awaited_; });
  }

  AckTimes times_;
  std::vector<Duration> taken_;
  Seq not_awaited_{99};
};

TEST_F(AckTimesTest, TheOldestUnacknowledgedAppendIsTheLag) {
  EXPECT_EQ(Lag(kStart), 0s);
  times_.Sent(kPeer, {kSegment, Seq(1)}, kStart);
  times_.Sent(kPeer, {kSegment, Seq(2)}, kStart + 1s);
  EXPECT_EQ(Lag(kStart + 3s), 3s);
  Stored(1, kStart + 4s);
  EXPECT_EQ(Lag(kStart + 4s), 3s);
  Stored(2, kStart + 5s, /*refused=*/true);
  EXPECT_EQ(Lag(kStart + 5s), 0s);
  EXPECT_EQ(taken_, std::vector<Duration>{4s}) << "a refusal is no acknowledgement";
}

TEST_F(AckTimesTest, WhatAPeerNeedsNoMoreCountsNoMore) {
  times_.Sent(kPeer, {kSegment, Seq(1)}, kStart);
  times_.Sent(kPeer, {kSegment, Seq(2)}, kStart + 1s);
  not_awaited_ = Seq(1);
  EXPECT_EQ(Lag(kStart + 3s), 2s);
  Stored(2, kStart + 3s);
  EXPECT_EQ(taken_, std::vector<Duration>{2s}) << "it does not hide those behind it";
}

TEST_F(AckTimesTest, APeerThatIsGoneHasNoLag) {
  times_.Sent(kPeer, {kSegment, Seq(1)}, kStart);
  times_.PeerGone(kPeer);
  EXPECT_EQ(Lag(kStart + 3s), 0s);
}

TEST_F(AckTimesTest, WhenTooManyWaitTheOldestStay) {
  for (uint32_t seq = 1; seq <= 10000; ++seq) {
    times_.Sent(kPeer, {kSegment, Seq(seq)}, kStart + seq * 1ms);
  }
  EXPECT_EQ(Lag(kStart + 20s), 20s - 1ms);
}

}  // namespace
}  // namespace fermo::node
