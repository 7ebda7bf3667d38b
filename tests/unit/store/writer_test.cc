// How writes are grouped, ordered, answered and counted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "node/store/spool_store.h"
#include "node/store/writer.h"
#include "tests/unit/store/store_fixture.h"

namespace fermo::node {
namespace {

using spool::Durability;

// Holds the writer thread inside a callback, so that what is queued meanwhile
// is all there when it goes on.
class HeldWriter {
 public:
  explicit HeldWriter(SpoolStore& store) {
    auto held = release_.get_future().share();
    auto reached = std::make_shared<std::promise<void>>();
    store.Write({spool::PutMeta{"hold", ""}}, Durability::kSynced,
                [held, reached](const absl::Status&) {
                  reached->set_value();
                  held.wait();
                });
    reached->get_future().wait();
  }
  void Release() { release_.set_value(); }

 private:
  std::promise<void> release_;
};

using WriterTest = StoreTest;

TEST_F(WriterTest, PutsWhatIsQueuedIntoOneSyncedCommit) {
  HeldWriter held(*store_);
  for (uint32_t seq = 0; seq < 100; ++seq) {
    store_->Write({Message(kSegment, seq, "m")}, Durability::kSynced, nullptr);
  }
  auto before = store_->GetCounters();
  held.Release();
  ASSERT_TRUE(Write({spool::PutMeta{"end", ""}}).ok());
  auto after = store_->GetCounters();
  EXPECT_LE(after.synced_commits - before.synced_commits, 2u);
  EXPECT_EQ(after.operations - before.operations, 101u);
  EXPECT_EQ(Messages(kSegment).size(), 100u);
}

TEST_F(WriterTest, EndsABatchBeforeItGrowsBeyondItsLimit) {
  HeldWriter held(*store_);
  const std::string third(Writer::kMaxBatchBytes / 3, 'c');
  for (uint32_t body = 0; body < 6; ++body) {
    store_->Write({Chunk(kSegment, body, 0, third)}, Durability::kSynced, nullptr);
  }
  auto before = store_->GetCounters();
  held.Release();
  ASSERT_TRUE(Write({spool::PutMeta{"end", ""}}).ok());
  // Two thirds fit, three with their keys do not.
  EXPECT_GE(store_->GetCounters().commits - before.commits, 3u);
}

TEST_F(WriterTest, WritesWhatIsLargerThanABatchByItself) {
  std::string large(Writer::kMaxBatchBytes * 2, 'c');
  ASSERT_TRUE(Write({Chunk(kSegment, 0, 0, large)}).ok());
  EXPECT_EQ(store_->ReadChunk(kSegment, 0, 0).value(), large);
}

TEST_F(WriterTest, LetsUnsyncedWritesRideWithASyncedOne) {
  HeldWriter held(*store_);
  for (uint32_t i = 0; i < 10; ++i) {
    store_->Write({Chunk(kSegment, 0, i, "c")}, Durability::kUnsynced, nullptr);
  }
  store_->Write({Message(kSegment, 0, "m")}, Durability::kSynced, nullptr);
  auto before = store_->GetCounters();
  held.Release();
  ASSERT_TRUE(Write({spool::PutMeta{"end", ""}}).ok());
  auto after = store_->GetCounters();
  EXPECT_LE(after.commits - before.commits, 2u);
  EXPECT_EQ(after.commits - before.commits, after.synced_commits - before.synced_commits);
}

TEST_F(WriterTest, WritesUnsyncedOnesWithoutASyncWhenNoSyncedOneComes) {
  auto before = store_->GetCounters();
  ASSERT_TRUE(WriteAndWait(*store_, {Chunk(kSegment, 0, 0, "c")}, Durability::kUnsynced).ok());
  auto after = store_->GetCounters();
  EXPECT_EQ(after.commits - before.commits, 1u);
  EXPECT_EQ(after.synced_commits, before.synced_commits);
  EXPECT_EQ(store_->ReadChunk(kSegment, 0, 0).value(), "c");
}

TEST_F(WriterTest, AnswersInTheOrderOfTheCallsOnOneThread) {
  std::vector<int> order;
  std::vector<std::thread::id> threads;
  for (int i = 0; i < 500; ++i) {
    auto durability = i % 3 == 0 ? Durability::kSynced : Durability::kUnsynced;
    store_->Write({Message(kSegment, static_cast<uint32_t>(i), "m")}, durability,
                  [&order, &threads, i](const absl::Status& status) {
                    EXPECT_TRUE(status.ok()) << status;
                    order.push_back(i);
                    threads.push_back(std::this_thread::get_id());
                  });
  }
  ASSERT_TRUE(Write({spool::PutMeta{"end", ""}}).ok());
  std::vector<int> expected(500);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(order, expected);
  EXPECT_THAT(threads, testing::Each(threads[0]));
  EXPECT_NE(threads[0], std::this_thread::get_id());
}

TEST_F(WriterTest, TakesWritesFromManyThreadsAndFromItsOwnCallbacks) {
  std::vector<std::thread> threads;
  std::atomic<int> answered{0};
  auto all = std::make_shared<std::promise<void>>();
  for (uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (uint32_t i = 0; i < 100; ++i) {
        store_->Write({Message(kSegment, t * 1000 + i, "m")}, Durability::kSynced,
                      [&, all, t, i](const absl::Status& status) {
                        EXPECT_TRUE(status.ok());
                        store_->Write({Message(kSegment, t * 1000 + 500 + i, "again")},
                                      Durability::kSynced, [&, all](const absl::Status&) {
                                        if (++answered == 400) all->set_value();
                                      });
                      });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  all->get_future().wait();
  EXPECT_EQ(Messages(kSegment).size(), 800u);
}

TEST_F(WriterTest, WritesWhatIsQueuedBeforeTheStoreGoes) {
  int answered = 0;
  for (uint32_t seq = 0; seq < 200; ++seq) {
    store_->Write({Message(kSegment, seq, "m")}, Durability::kUnsynced,
                  [&answered](const absl::Status& status) { answered += status.ok() ? 1 : 0; });
  }
  store_.reset();
  EXPECT_EQ(answered, 200);
  Open();
  EXPECT_EQ(Messages(kSegment).size(), 200u);
}

TEST_F(WriterTest, CountsTheOctetsThatAreQueued) {
  EXPECT_EQ(store_->QueuedBytes(), 0u);
  HeldWriter held(*store_);
  store_->Write({Chunk(kSegment, 0, 0, std::string(100'000, 'c'))}, Durability::kUnsynced, nullptr);
  EXPECT_GE(store_->QueuedBytes(), 100'000u);
  EXPECT_LE(store_->QueuedBytes(), 101'000u);
  held.Release();
  ASSERT_TRUE(Write({}).ok());
  EXPECT_EQ(store_->QueuedBytes(), 0u);
}

TEST_F(WriterTest, CountsEachSyncInOneBucket) {
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Write({spool::PutMeta{"k", "v"}}).ok());
  auto counters = store_->GetCounters();
  const auto& buckets = counters.sync_seconds_buckets;
  EXPECT_EQ(std::accumulate(buckets.begin(), buckets.end(), uint64_t{0}), counters.synced_commits);
  EXPECT_GE(counters.synced_commits, 20u);
  EXPECT_GT(counters.sync_seconds_sum, 0.0);
  EXPECT_EQ(counters.background_errors, 0u);
  EXPECT_FALSE(counters.write_stopped);
}

}  // namespace
}  // namespace fermo::node
