// A disk that refuses: the store latches, says why once, and writes no more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include "tests/unit/store/store_fixture.h"
#include "tests/unit/store/sync_probe.h"

namespace fermo::node {
namespace {

using spool::Durability;
using ::testing::HasSubstr;

class FailingSyncTest : public StoreTest {
 protected:
  void TearDown() override {
    store_.reset();
    TheSyncProbe().fail = false;
  }
};

TEST_F(FailingSyncTest, ASyncedWriteIsAnsweredAfterTheLogIsSynced) {
  uint64_t before = TheSyncProbe().log_syncs;
  ASSERT_TRUE(Write({Message(kSegment, 0, "m")}).ok());
  EXPECT_GT(TheSyncProbe().log_syncs, before);
}

TEST_F(FailingSyncTest, AnUnsyncedWriteSyncsNothing) {
  ASSERT_TRUE(Write({Message(kSegment, 0, "m")}).ok());
  uint64_t before = TheSyncProbe().log_syncs;
  ASSERT_TRUE(WriteAndWait(*store_, {Chunk(kSegment, 0, 0, "c")}, Durability::kUnsynced).ok());
  EXPECT_EQ(TheSyncProbe().log_syncs, before);
}

TEST_F(FailingSyncTest, AFailedSyncFailsTheWriteAndAllLaterOnesAndIsNeverRetried) {
  ASSERT_TRUE(Write({Message(kSegment, 0, "kept")}).ok());
  TheSyncProbe().fail = true;
  absl::Status failed = Write({Message(kSegment, 1, "lost")});
  EXPECT_TRUE(absl::IsUnavailable(failed)) << failed;
  EXPECT_EQ(fatal_calls_, 1);
  EXPECT_FALSE(fatal_.ok());
  // The next sync would succeed, as it does on Linux after a failed one.
  TheSyncProbe().fail = false;
  uint64_t tried = TheSyncProbe().log_syncs;
  for (uint32_t seq = 2; seq < 5; ++seq) {
    EXPECT_EQ(Write({Message(kSegment, seq, "refused")}), fatal_);
  }
  EXPECT_FALSE(WriteAndWait(*store_, {Chunk(kSegment, 0, 0, "c")}, Durability::kUnsynced).ok());
  store_.reset();
  EXPECT_EQ(TheSyncProbe().log_syncs, tried);
  EXPECT_EQ(fatal_calls_, 1);
  Open();
  EXPECT_EQ(store_->ReadMessage({kSegment, Seq(0)}).value(), "kept");
  EXPECT_TRUE(absl::IsNotFound(store_->ReadMessage({kSegment, Seq(2)}).status()));
}

TEST_F(FailingSyncTest, WritesQueuedBehindAFailedOneAreAnsweredInOrderWithTheReason) {
  std::vector<int> order;
  std::promise<void> reached;
  std::promise<void> release;
  store_->Write({spool::PutMeta{"hold", ""}}, Durability::kSynced, [&](const absl::Status&) {
    reached.set_value();
    release.get_future().wait();
  });
  reached.get_future().wait();
  const std::string large(5 << 20, 'c');  // each a batch of its own
  for (int i = 0; i < 5; ++i) {
    store_->Write({Chunk(kSegment, 0, static_cast<uint32_t>(i), large)}, Durability::kSynced,
                  [&order, i](const absl::Status& status) {
                    EXPECT_FALSE(status.ok());
                    order.push_back(i);
                  });
  }
  TheSyncProbe().fail = true;
  release.set_value();
  EXPECT_FALSE(Write({}).ok());
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_EQ(fatal_calls_, 1);
  EXPECT_EQ(store_->QueuedBytes(), 0u);
}

// Files of this process cannot grow beyond the limit while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t octets) {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    struct rlimit limit = before_;
    limit.rlim_cur = octets;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, SIG_DFL);
  }

 private:
  struct rlimit before_ = {};
};

using FullDiskTest = StoreTest;

TEST_F(FullDiskTest, AWriteThatDoesNotFitLatchesAndKeepsWhatWasAcknowledged) {
  uint32_t acknowledged = 0;
  {
    FileSizeLimit limit(1 << 20);
    while (acknowledged < 100 &&
           Write({Message(kSegment, acknowledged, std::string(64 * 1024, 'm'))}).ok()) {
      ++acknowledged;
    }
    EXPECT_EQ(fatal_calls_, 1);
    EXPECT_THAT(std::string(fatal_.message()), HasSubstr("File too large"));
  }
  EXPECT_GT(acknowledged, 0u);
  EXPECT_LT(acknowledged, 20u);
  // There is room again, but nothing is written by this process any more.
  EXPECT_FALSE(Write({Message(kSegment, 99, "m")}).ok());
  EXPECT_EQ(fatal_calls_, 1);
  Open();
  EXPECT_GE(Messages(kSegment).size(), acknowledged);
  EXPECT_TRUE(absl::IsNotFound(store_->ReadMessage({kSegment, Seq(99)}).status()));
  EXPECT_TRUE(Write({Message(kSegment, 99, "m")}).ok());
}

}  // namespace
}  // namespace fermo::node
