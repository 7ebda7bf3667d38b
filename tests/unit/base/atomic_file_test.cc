#include "lib/base/atomic_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "gtest/gtest.h"

namespace fermo {
namespace {

class AtomicFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "fermo-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Path(const char* name) const { return directory_ + "/" + name; }
  size_t FileCount() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory_)) {
      ++count;
    }
    return count;
  }

  std::string directory_;
};

TEST_F(AtomicFileTest, WhatIsWrittenIsReadBack) {
  std::string octets(1 << 20, '\0');
  for (size_t i = 0; i < octets.size(); ++i) octets[i] = static_cast<char>(i * 7);
  ASSERT_TRUE(WriteFileAtomically(Path("f"), octets).ok());
  EXPECT_EQ(ReadFile(Path("f")).value(), octets);
  ASSERT_TRUE(WriteFileAtomically(Path("f"), "").ok());
  EXPECT_EQ(ReadFile(Path("f")).value(), "");
  EXPECT_EQ(FileCount(), 1u) << "no temporary file stays";
}

TEST_F(AtomicFileTest, AFailedWriteLeavesTheOldContent) {
  ASSERT_TRUE(WriteFileAtomically(Path("f"), "old").ok());
  ASSERT_EQ(mkdir(Path("f.new").c_str(), 0700), 0);  // in the way of the temporary file
  const absl::Status written = WriteFileAtomically(Path("f"), "new");
  EXPECT_FALSE(written.ok());
  EXPECT_EQ(written.message(), Path("f.new") + ": cannot create: Is a directory");
  EXPECT_EQ(ReadFile(Path("f")).value(), "old");
}

TEST_F(AtomicFileTest, AFileThatCannotReplaceLeavesNothingBehind) {
  ASSERT_EQ(mkdir(Path("d").c_str(), 0700), 0);
  EXPECT_FALSE(WriteFileAtomically(Path("d"), "new").ok());
  EXPECT_EQ(FileCount(), 1u);
}

TEST_F(AtomicFileTest, AMissingFileIsNotFound) {
  const auto read = ReadFile(Path("none"));
  EXPECT_TRUE(absl::IsNotFound(read.status()));
  EXPECT_EQ(read.status().message(), Path("none") + ": cannot open: No such file or directory");
}

TEST_F(AtomicFileTest, ADirectoryIsNotRead) {
  EXPECT_EQ(ReadFile(directory_).status().message(), directory_ + ": cannot read: Is a directory");
}

TEST_F(AtomicFileTest, TooLargeAFileIsRefused) {
  ASSERT_TRUE(WriteFileAtomically(Path("f"), std::string(101, 'x')).ok());
  EXPECT_TRUE(ReadFile(Path("f"), 101).ok());
  const auto read = ReadFile(Path("f"), 100);
  EXPECT_TRUE(absl::IsResourceExhausted(read.status()));
  EXPECT_EQ(read.status().message(), Path("f") + ": is larger than 100 octets");
}

TEST_F(AtomicFileTest, ANameWithoutDirectoryIsInTheCurrentOne) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory_);
  EXPECT_TRUE(WriteFileAtomically("plain", "x").ok());
  std::filesystem::current_path(before);
  EXPECT_EQ(ReadFile(Path("plain")).value(), "x");
}

}  // namespace
}  // namespace fermo
