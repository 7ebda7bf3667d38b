// Directories that cannot be opened, and what is said about them.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "lib/base/random.h"
#include "node/store/spool_store.h"
#include "tests/unit/store/store_fixture.h"

namespace fermo::node {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

absl::StatusOr<std::unique_ptr<SpoolStore>> OpenAt(const std::string& directory,
                                                   bool create = true) {
  StoreOptions options;
  options.directory = directory;
  options.create_if_missing = create;
  return SpoolStore::Open(std::move(options));
}

void ExpectRefused(const absl::Status& status, absl::StatusCode code, const std::string& directory,
                   const std::string& reason) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(directory));
  EXPECT_THAT(std::string(status.message()), HasSubstr(reason));
}

// Opening replays the log into tables.
void MakeTables(const std::string& directory, std::vector<spool::WriteOp> ops) {
  ASSERT_TRUE(WriteAndWait(**OpenAt(directory), std::move(ops)).ok());
  ASSERT_TRUE(OpenAt(directory).ok());
}

std::vector<fs::path> FilesOf(const std::string& directory, const std::string& extension) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == extension) found.push_back(entry.path());
  }
  return found;
}

TEST(OpeningASpool, MakesTheDirectoryButNotItsParents) {
  TempDirectory base;
  EXPECT_TRUE(OpenAt(base.path() + "/spool").ok());
  ExpectRefused(OpenAt(base.path() + "/not/mounted").status(), absl::StatusCode::kNotFound,
                base.path() + "/not/mounted", "No such file");
  EXPECT_FALSE(fs::exists(base.path() + "/not"));
}

TEST(OpeningASpool, RefusesAMissingOneWhenItIsNotToBeMade) {
  TempDirectory base;
  ExpectRefused(OpenAt(base.path() + "/spool", false).status(), absl::StatusCode::kNotFound,
                base.path() + "/spool", "does not exist");
  ExpectRefused(OpenAt(base.path(), false).status(), absl::StatusCode::kNotFound, base.path(),
                "holds no spool");
}

TEST(OpeningASpool, RefusesAFileInPlaceOfADirectory) {
  TempDirectory base;
  std::string path = base.path() + "/spool";
  std::ofstream(path) << "x";
  ExpectRefused(OpenAt(path).status(), absl::StatusCode::kFailedPrecondition, path,
                "not a directory");
}

TEST(OpeningASpool, RefusesOneThatIsOpenAlready) {
  TempDirectory base;
  auto first = OpenAt(base.path());
  ASSERT_TRUE(first.ok());
  ExpectRefused(OpenAt(base.path()).status(), absl::StatusCode::kFailedPrecondition, base.path(),
                "in use");
}

TEST(OpeningASpool, RefusesOneThatAnotherProcessHasLocked) {
  TempDirectory base;
  ASSERT_TRUE(OpenAt(base.path()).ok());
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  pid_t child = fork();
  if (child == 0) {
    int fd = open((base.path() + "/LOCK").c_str(), O_RDWR);
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    char locked = fcntl(fd, F_SETLK, &lock) == 0 ? 'y' : 'n';
    if (write(ready[1], &locked, 1) != 1) _exit(1);
    while (true) pause();
  }
  char locked = 0;
  ASSERT_EQ(read(ready[0], &locked, 1), 1);
  EXPECT_EQ(locked, 'y');
  ExpectRefused(OpenAt(base.path()).status(), absl::StatusCode::kFailedPrecondition, base.path(),
                "another process");
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
  EXPECT_TRUE(OpenAt(base.path()).ok());
}

TEST(OpeningASpool, RefusesOneThatLostATable) {
  TempDirectory base;
  MakeTables(base.path(), {Chunk(kSegment, 0, 0, "c")});
  auto tables = FilesOf(base.path(), ".sst");
  ASSERT_FALSE(tables.empty());
  fs::remove(tables[0]);
  ExpectRefused(OpenAt(base.path()).status(), absl::StatusCode::kDataLoss, base.path(), "damaged");
}

TEST(OpeningASpool, RefusesOneThatLostItsHeadAndKeepsItsTables) {
  TempDirectory base;
  MakeTables(base.path(), {Chunk(kSegment, 0, 0, "c")});
  auto tables = FilesOf(base.path(), ".sst");
  fs::rename(base.path() + "/CURRENT", base.path() + "/aside");
  ExpectRefused(OpenAt(base.path()).status(), absl::StatusCode::kDataLoss, base.path(), "CURRENT");
  EXPECT_EQ(FilesOf(base.path(), ".sst"), tables);
  fs::rename(base.path() + "/aside", base.path() + "/CURRENT");
  EXPECT_EQ((*OpenAt(base.path()))->ReadChunk(kSegment, 0, 0).value(), "c");
}

TEST(ReadingASpool, SaysDataLossForADamagedChunk) {
  TempDirectory base;
  Rng rng(1);
  std::string content(200'000, '\0');
  for (char& octet : content) octet = static_cast<char>(rng.NextU64());  // does not compress
  MakeTables(base.path(), {Chunk(kSegment, 0, 0, content)});
  int damaged = 0;
  for (const fs::path& table : FilesOf(base.path(), ".sst")) {
    if (fs::file_size(table) < content.size()) continue;
    ++damaged;
    std::fstream file(table, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(20'000);
    file.write("damage", 6);
  }
  ASSERT_EQ(damaged, 1);
  auto store = OpenAt(base.path());
  ASSERT_TRUE(store.ok()) << store.status();
  auto chunk = (*store)->ReadChunk(kSegment, 0, 0);
  EXPECT_TRUE(absl::IsDataLoss(chunk.status())) << chunk.status();
}

TEST(OpeningASpool, KeepsTheInfoLogInTheDirectory) {
  TempDirectory base;
  ASSERT_TRUE(OpenAt(base.path()).ok());
  EXPECT_TRUE(fs::exists(base.path() + "/LOG"));
}

}  // namespace
}  // namespace fermo::node
