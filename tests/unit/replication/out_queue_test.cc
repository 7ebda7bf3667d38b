// What waits for a peer: what a queue takes, when it gives up, how frames are filled.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "node/replication/frames_client.h"

namespace fermo::node {
namespace {

const SegmentId kSegment{NodeId(7), 3, 9};

cluster::DataMessage ChunkOf(size_t octets) {
  cluster::Chunk chunk;
  chunk.segment = kSegment;
  chunk.octets = MakeBytes(std::string(octets, 'c'));
  return chunk;
}

template <class Traits>
size_t PullAll(OutQueue<Traits>& queue) {
  size_t messages = 0;
  while (!queue.empty()) {
    const auto frame = queue.Pull();
    EXPECT_LE(frame.ByteSizeLong(), kMaxMessageBytes);
    messages += static_cast<size_t>(frame.messages_size());
  }
  EXPECT_EQ(queue.bytes(), 0u);
  return messages;
}

TEST(OutQueue, TakesThePromiseOfASegmentWithManyOutcomes) {
  cluster::Promise promise;
  promise.segment = kSegment;
  promise.epoch = Epoch(2);
  promise.granted = true;
  promise.inventory.segment = kSegment;
  for (uint32_t seq = 0; seq < 20'000; ++seq) {
    spool::LegOutcome& outcome = promise.inventory.outcomes.emplace_back();
    outcome.seq = Seq(seq);
    outcome.outcome = spool::Outcome::kDelivered;
    outcome.reply = std::string(512, 'r');
  }
  OutQueue<ControlTraits> queue;
  ASSERT_TRUE(queue.Push(promise));
  EXPECT_TRUE(queue.Push(cluster::Heartbeat{})) << "and what comes behind it";
  EXPECT_EQ(PullAll(queue), 2u);
}

TEST(OutQueue, TakesTheInventoriesOfManyFullSegments) {
  OutQueue<DataTraits> queue;
  for (uint32_t number = 1; number <= 512; ++number) {
    cluster::Inventory inventory;
    inventory.segment = SegmentId{NodeId(7), 3, number};
    inventory.finished.addRange(0, 65536);
    ASSERT_TRUE(queue.Push(std::move(inventory))) << number;
  }
  EXPECT_LT(queue.bytes(), 256u << 10);
  EXPECT_EQ(PullAll(queue), 512u);
}

TEST(OutQueue, AnEmptyQueueTakesWhatAFrameHoldsAndNoMore) {
  OutQueue<DataTraits> queue;
  EXPECT_TRUE(queue.Push(ChunkOf(kMaxMessageBytes - 1024)));
  EXPECT_EQ(PullAll(queue), 1u);
  EXPECT_FALSE(queue.Push(ChunkOf(kMaxMessageBytes)));
  EXPECT_TRUE(queue.empty());
}

TEST(OutQueue, GivesUpWhenTooMuchWaits) {
  OutQueue<DataTraits> queue;
  size_t taken = 0;
  while (queue.Push(ChunkOf(1 << 20))) ++taken;
  EXPECT_EQ(taken, 63u);
  EXPECT_LE(queue.bytes(), DataTraits::kMaxQueuedBytes);
  queue.Clear();
  EXPECT_EQ(queue.bytes(), 0u);
  EXPECT_TRUE(queue.Push(ChunkOf(1 << 20)));
}

TEST(OutQueue, AFrameTakesWhatHasGathered) {
  OutQueue<DataTraits> queue;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(queue.Push(ChunkOf(kFrameBytes / 4)));
  const auto frame = queue.Pull();
  EXPECT_EQ(frame.messages_size(), 3);
  EXPECT_EQ(PullAll(queue), 7u);
}

}  // namespace
}  // namespace fermo::node
