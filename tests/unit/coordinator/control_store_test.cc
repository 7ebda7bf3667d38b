// The embedded control store on a real RocksDB directory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "coordinator/store/rocksdb_control_store.h"
#include "tests/unit/coordinator/temp_dir.h"

namespace fermo::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What a watch has told, waited for without sleeping.
class Recorder {
 public:
  ControlStore::WatchCallback callback() {
    return [this](absl::StatusOr<std::vector<Change>> changes) {
      absl::MutexLock lock(&mutex_);
      if (!changes.ok()) {
        end_ = changes.status();
        return;
      }
      for (Change& change : *changes) changes_.push_back(std::move(change));
    };
  }
  std::vector<Change> Await(size_t count) {
    auto enough = [&] { return changes_.size() >= count; };
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(20));
    return changes_;
  }
  absl::Status AwaitEnd() {
    auto ended = [&] { return !end_.ok(); };
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&ended), absl::Seconds(20));
    return end_;
  }

 private:
  absl::Mutex mutex_;
  std::vector<Change> changes_;
  absl::Status end_;
};

class ControlStoreTest : public testing::Test {
 protected:
  ControlStoreTest() { Reopen(); }

  void Reopen(size_t watched_changes = 4096) {
    store_.reset();
    RocksDbControlStoreOptions options;
    options.directory = dir_.path() + "/db";
    options.watched_changes = watched_changes;
    auto opened = RocksDbControlStore::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  CommitResult Put(const std::string& key, const std::string& value) {
    Transaction transaction;
    transaction.mutations = {{key, value}};
    return store_->Commit(transaction).value();
  }
  CommitResult Swap(const std::string& key, uint64_t revision, const std::string& value) {
    Transaction transaction;
    transaction.comparisons = {{key, revision}};
    transaction.mutations = {{key, value}};
    return store_->Commit(transaction).value();
  }
  std::string Value(const std::string& key) {
    auto found = store_->Get(key).value();
    return found ? found->value : "absent";
  }

  TempDir dir_;
  std::unique_ptr<RocksDbControlStore> store_;
};

TEST_F(ControlStoreTest, AKeyHasTheRevisionOfTheCommitThatWroteIt) {
  EXPECT_FALSE(store_->Get("a").value().has_value());
  EXPECT_EQ(Put("a", "1").revision, 1u);
  EXPECT_EQ(Put("b", "2").revision, 2u);
  EXPECT_EQ(store_->Get("a").value()->mod_revision, 1u);
  EXPECT_EQ(Put("a", "3").revision, 3u);
  EXPECT_EQ(store_->Get("a").value()->mod_revision, 3u);
  EXPECT_EQ(Value("a"), "3");
}

TEST_F(ControlStoreTest, EverythingIsThereAfterAReopening) {
  Put("a", "1");
  Put("a", std::string("\0\xff", 2));
  Reopen();
  EXPECT_EQ(Value("a"), std::string("\0\xff", 2));
  EXPECT_EQ(store_->Get("a").value()->mod_revision, 2u);
  EXPECT_EQ(Put("b", "").revision, 3u);
  EXPECT_EQ(Value("b"), "");
}

TEST_F(ControlStoreTest, ACommitWhoseComparisonFailsChangesNothing) {
  Put("a", "1");
  EXPECT_FALSE(Swap("a", 7, "2").succeeded);
  EXPECT_FALSE(Swap("a", 0, "2").succeeded);
  EXPECT_EQ(Value("a"), "1");
  EXPECT_TRUE(Swap("a", 1, "2").succeeded);
  EXPECT_FALSE(Swap("a", 1, "3").succeeded);
  EXPECT_EQ(Value("a"), "2");
  EXPECT_FALSE(Swap("b", 1, "3").succeeded);
  EXPECT_TRUE(Swap("b", 0, "3").succeeded);
}

TEST_F(ControlStoreTest, SeveralKeysChangeTogetherOrNotAtAll) {
  Put("a", "1");
  Transaction transaction;
  transaction.comparisons = {{"a", 1}, {"c", 5}};
  transaction.mutations = {{"a", std::nullopt}, {"b", "2"}};
  EXPECT_FALSE(store_->Commit(transaction)->succeeded);
  EXPECT_EQ(Value("a"), "1");
  EXPECT_EQ(Value("b"), "absent");
  transaction.comparisons = {{"a", 1}, {"c", 0}};
  EXPECT_TRUE(store_->Commit(transaction)->succeeded);
  EXPECT_EQ(Value("a"), "absent");
  EXPECT_EQ(Value("b"), "2");
}

TEST_F(ControlStoreTest, ARangeGivesThePrefixInPages) {
  for (const char* key : {"d/b", "d/a", "d/c", "d", "e", "c"}) Put(key, key);
  auto page = store_->Range("d/", "", 2).value();
  EXPECT_EQ(page.items.size(), 2u);
  EXPECT_EQ(page.items[0].key, "d/a");
  EXPECT_EQ(page.items[1].key, "d/b");
  EXPECT_TRUE(page.more);
  EXPECT_EQ(page.revision, 6u);
  page = store_->Range("d/", "d/b", 2).value();
  EXPECT_THAT(page.items, ElementsAre(KeyValue{"d/c", "d/c", 3}));
  EXPECT_FALSE(page.more);
  EXPECT_THAT(store_->Range("x", "", 10)->items, IsEmpty());
  EXPECT_EQ(store_->Range("", "", 10)->items.size(), 6u);
}

TEST_F(ControlStoreTest, AWatchTellsEveryChangeOfItsPrefixOnce) {
  Put("a/1", "old");
  Recorder recorder;
  auto watch = store_->StartWatch("a/", 2, recorder.callback()).value();
  Put("b", "other");
  Put("a/1", "new");
  Transaction transaction;
  transaction.mutations = {{"a/1", std::nullopt}, {"b", "x"}, {"a/2", "y"}};
  ASSERT_TRUE(store_->Commit(transaction)->succeeded);
  EXPECT_THAT(recorder.Await(2), ElementsAre(Change{3, {{"a/1", "new"}}},
                                             Change{4, {{"a/1", std::nullopt}, {"a/2", "y"}}}));
}

TEST_F(ControlStoreTest, AWatchFromAnEarlierRevisionCatchesUp) {
  for (int i = 1; i <= 200; ++i) Put("k", std::to_string(i));
  Recorder recorder;
  auto watch = store_->StartWatch("k", 101, recorder.callback()).value();
  const auto changes = recorder.Await(100);
  ASSERT_EQ(changes.size(), 100u);
  EXPECT_EQ(changes.front().revision, 101u);
  EXPECT_EQ(changes.back().revision, 200u);
}

TEST_F(ControlStoreTest, AWatchFromARevisionThatIsGoneEndsAndSaysSo) {
  Reopen(/*watched_changes=*/2);
  for (int i = 0; i < 4; ++i) Put("k", "v");
  Recorder recorder;
  auto watch = store_->StartWatch("k", 2, recorder.callback()).value();
  EXPECT_TRUE(absl::IsOutOfRange(recorder.AwaitEnd()));
  Put("k", "v");
  Recorder kept;
  auto second = store_->StartWatch("k", 4, kept.callback()).value();
  EXPECT_EQ(kept.Await(2).size(), 2u);
  EXPECT_THAT(recorder.Await(0), IsEmpty());
}

TEST_F(ControlStoreTest, NoCallbackRunsOnceAWatchIsDestroyed) {
  absl::Notification entered, leave;
  std::atomic<int> calls = 0;
  auto watch = store_
                   ->StartWatch("k", 1,
                                [&](auto) {
                                  ++calls;
                                  if (!entered.HasBeenNotified()) entered.Notify();
                                  leave.WaitForNotification();
                                })
                   .value();
  Put("k", "1");
  entered.WaitForNotification();
  std::thread destroyer([&] { watch.reset(); });  // waits for the callback
  leave.Notify();
  destroyer.join();
  const int before = calls;
  Recorder other;
  auto second = store_->StartWatch("k", 1, other.callback()).value();
  Put("k", "2");
  other.Await(2);
  EXPECT_EQ(calls, before);
}

TEST_F(ControlStoreTest, AWatchMayDestroyItselfInItsCallback) {
  absl::Mutex mutex;
  std::unique_ptr<Watch> watch;
  absl::Notification destroyed;
  mutex.Lock();
  watch = store_
              ->StartWatch("k", 1,
                           [&](auto) {
                             absl::MutexLock lock(&mutex);
                             watch.reset();
                             destroyed.Notify();
                           })
              .value();
  mutex.Unlock();
  Put("k", "1");
  EXPECT_TRUE(destroyed.WaitForNotificationWithTimeout(absl::Seconds(20)));
}

TEST_F(ControlStoreTest, ConcurrentSwapsOfOneKeyAreWonByOneEach) {
  Put("n", "0");
  std::atomic<int> won = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i) {
        auto present = store_->Get("n").value();
        const std::string next = std::to_string(std::stoi(present->value) + 1);
        if (Swap("n", present->mod_revision, next).succeeded) ++won;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Value("n"), std::to_string(won.load()));
}

TEST_F(ControlStoreTest, ADirectoryInUseIsRefused) {
  RocksDbControlStoreOptions options;
  options.directory = dir_.path() + "/db";
  auto second = RocksDbControlStore::Open(options);
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("another process"));
}

TEST_F(ControlStoreTest, ADirectoryThatCannotBeMadeIsUnavailable) {
  std::ofstream(dir_.path() + "/file") << "x";
  RocksDbControlStoreOptions options;
  options.directory = dir_.path() + "/file/db";
  EXPECT_TRUE(absl::IsUnavailable(RocksDbControlStore::Open(options).status()));
}

TEST_F(ControlStoreTest, ADamagedTableIsDataLossAndNotSilence) {
  for (int i = 0; i < 100; ++i) Put("k" + std::to_string(i), std::string(100, 'v'));
  Reopen();  // recovery writes the log's content to a table file
  store_.reset();
  for (const auto& entry : std::filesystem::directory_iterator(dir_.path() + "/db")) {
    if (entry.path().extension() != ".sst") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file << std::string(200, '\0');
  }
  absl::Status broken;
  RocksDbControlStoreOptions options;
  options.directory = dir_.path() + "/db";
  options.on_broken = [&](const absl::Status& status) { broken = status; };
  auto opened = RocksDbControlStore::Open(options);
  absl::Status status = opened.status();
  if (opened.ok()) status = (*opened)->Range("k", "", 1000).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  if (opened.ok()) {
    EXPECT_FALSE(broken.ok());
    EXPECT_FALSE((*opened)->Health().ok());
    Transaction transaction;
    transaction.mutations = {{"k", "v"}};
    EXPECT_FALSE((*opened)->Commit(transaction).ok());  // given up for good
  }
}

}  // namespace
}  // namespace fermo::coordinator
