// What was acknowledged is there again: after the process is killed, and after
// the power fails, which takes everything from the logs that was not synced.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <vector>

#include "lib/base/random.h"
#include "tests/unit/store/store_fixture.h"
#include "tests/unit/store/writing_child.h"

namespace fermo::node {
namespace {

namespace fs = std::filesystem;

// What the child said before it died.
struct Said {
  std::optional<uint32_t> last_acknowledged;
  std::map<ino_t, off_t> synced_logs;
};

class Child {
 public:
  Child(const std::string& directory, uint32_t first_seq) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    pid_ = fork();
    if (pid_ == 0) {
      close(ends[0]);
      std::string first = std::to_string(first_seq);
      std::string fd = std::to_string(ends[1]);
      execl("/proc/self/exe", "store_durability_test", "--write-until-killed", directory.c_str(),
            first.c_str(), fd.c_str(), static_cast<char*>(nullptr));
      _exit(1);
    }
    close(ends[1]);
    reports_ = ends[0];
  }
  ~Child() { close(reports_); }

  // Kills it once it has acknowledged `count` writes; then reads what is left
  // in the pipe.
  Said KillAfter(uint32_t count) {
    Said said;
    uint32_t acknowledged = 0;
    ChildReport report;
    while (read(reports_, &report, sizeof(report)) == sizeof(report)) {
      if (report.kind == ChildReport::kLogSynced) {
        said.synced_logs[report.a] = static_cast<off_t>(report.b);
        continue;
      }
      said.last_acknowledged = static_cast<uint32_t>(report.a);
      if (++acknowledged == count) kill(pid_, SIGKILL);
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "exit " << status;
    return said;
  }

 private:
  pid_t pid_ = -1;
  int reports_ = -1;
};

// Cuts every log back to what was synced of it.
uint64_t LosePower(const std::string& directory, const Said& said) {
  uint64_t lost = 0;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() != ".log") continue;
    struct stat info = {};
    EXPECT_EQ(stat(entry.path().c_str(), &info), 0);
    auto synced = said.synced_logs.find(info.st_ino);
    off_t kept = synced == said.synced_logs.end() ? 0 : synced->second;
    if (kept >= info.st_size) continue;
    lost += static_cast<uint64_t>(info.st_size - kept);
    EXPECT_EQ(truncate(entry.path().c_str(), kept), 0);
  }
  return lost;
}

// Cuts every log back to anywhere behind what was synced of it. `filled`: to
// its full length there are zeros, as of blocks that were never written.
uint64_t TearTails(const std::string& directory, const Said& said, Rng& rng, bool filled) {
  uint64_t torn = 0;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() != ".log") continue;
    struct stat info = {};
    EXPECT_EQ(stat(entry.path().c_str(), &info), 0);
    auto synced = said.synced_logs.find(info.st_ino);
    const off_t safe = synced == said.synced_logs.end() ? 0 : synced->second;
    if (safe >= info.st_size) continue;
    const auto beyond = static_cast<uint64_t>(info.st_size - safe);
    const auto kept = safe + static_cast<off_t>(rng.Uniform(beyond));
    torn += static_cast<uint64_t>(info.st_size - kept);
    EXPECT_EQ(truncate(entry.path().c_str(), kept), 0);
    if (filled) EXPECT_EQ(truncate(entry.path().c_str(), info.st_size), 0);
  }
  return torn;
}

// Every seq up to the last acknowledged one is there with its content; what is
// there beyond it is whole too. Returns the first seq that is free.
uint32_t ExpectAllThere(const std::string& directory, uint32_t acknowledged) {
  StoreOptions options;
  options.directory = directory;
  auto store = SpoolStore::Open(std::move(options));
  EXPECT_TRUE(store.ok()) << store.status();
  if (!store.ok()) return 0;
  uint32_t next = 0;
  auto status = (*store)->ScanMessages(kSegment, Seq(0), [&](const StoredMessage& message) {
    EXPECT_EQ(message.seq, Seq(next));
    EXPECT_EQ(message.record, RecordOf(next));
    auto chunk = (*store)->ReadChunk(kSegment, next, 0);
    EXPECT_TRUE(chunk.ok() && *chunk == ChunkOf(next)) << next << ": " << chunk.status();
    ++next;
    return !testing::Test::HasFailure();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_GT(next, acknowledged) << "acknowledged writes are missing";
  return next;
}

TEST(Durability, EveryAcknowledgedWriteSurvivesSigkillAtAnyMoment) {
  TempDirectory directory;
  Rng rng(1);
  uint32_t next = 0;
  for (int round = 0; round < 12 && !HasFailure(); ++round) {
    Child child(directory.path(), next);
    Said said = child.KillAfter(static_cast<uint32_t>(1 + rng.Uniform(400)));
    ASSERT_TRUE(said.last_acknowledged.has_value());
    next = ExpectAllThere(directory.path(), *said.last_acknowledged);
  }
}

TEST(Durability, EveryAcknowledgedWriteSurvivesALossOfPower) {
  TempDirectory directory;
  Rng rng(2);
  uint32_t next = 0;
  for (int round = 0; round < 12 && !HasFailure(); ++round) {
    Child child(directory.path(), next);
    Said said = child.KillAfter(static_cast<uint32_t>(1 + rng.Uniform(400)));
    ASSERT_TRUE(said.last_acknowledged.has_value());
    LosePower(directory.path(), said);
    next = ExpectAllThere(directory.path(), *said.last_acknowledged);
  }
}

TEST(Durability, ATornTailCostsNoAcknowledgedWrite) {
  TempDirectory directory;
  Rng rng(3);
  uint32_t next = 0;
  uint64_t torn = 0;
  for (int round = 0; round < 16 && !HasFailure(); ++round) {
    Child child(directory.path(), next);
    Said said = child.KillAfter(static_cast<uint32_t>(1 + rng.Uniform(400)));
    ASSERT_TRUE(said.last_acknowledged.has_value());
    torn += TearTails(directory.path(), said, rng, round % 2 == 1);
    next = ExpectAllThere(directory.path(), *said.last_acknowledged);
  }
  EXPECT_GT(torn, 0u);
}

}  // namespace
}  // namespace fermo::node
