#include "node/store/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/store/disk_space.h"
#include "tests/unit/store/store_fixture.h"

namespace fermo::node {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using IdentityTest = StoreTest;

TEST_F(IdentityTest, IsDrawnOnceAndCountsEveryBoot) {
  auto first = LoadIdentity(*store_);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(first->created);
  EXPECT_NE(first->node, NodeId());
  EXPECT_EQ(first->boot, 1u);
  EXPECT_EQ(first->cluster_uuid, "");
  EXPECT_TRUE(first->last_stop_clean);
  for (uint32_t boot = 2; boot < 5; ++boot) {
    Open();
    auto next = LoadIdentity(*store_);
    ASSERT_TRUE(next.ok()) << next.status();
    EXPECT_FALSE(next->created);
    EXPECT_EQ(next->node, first->node);
    EXPECT_EQ(next->boot, boot);
  }
}

TEST_F(IdentityTest, OfTwoDirectoriesDiffers) {
  auto one = LoadIdentity(*store_);
  TempDirectory other;
  StoreOptions options;
  options.directory = other.path();
  auto store = SpoolStore::Open(std::move(options));
  ASSERT_TRUE(store.ok());
  EXPECT_NE(LoadIdentity(**store)->node, one->node);
}

TEST_F(IdentityTest, KnowsWhetherTheLastStopWasClean) {
  ASSERT_TRUE(LoadIdentity(*store_).ok());
  ASSERT_TRUE(MarkCleanStop(*store_).ok());
  Open();
  EXPECT_TRUE(LoadIdentity(*store_)->last_stop_clean);
  Open();
  // Nobody marked it this time.
  EXPECT_FALSE(LoadIdentity(*store_)->last_stop_clean);
}

TEST_F(IdentityTest, BelongsToOneClusterForGood) {
  ASSERT_TRUE(LoadIdentity(*store_).ok());
  ASSERT_TRUE(BindCluster(*store_, "cluster-one").ok());
  EXPECT_TRUE(BindCluster(*store_, "cluster-one").ok());
  Open();
  EXPECT_EQ(LoadIdentity(*store_)->cluster_uuid, "cluster-one");
  absl::Status refused = BindCluster(*store_, "cluster-two");
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("belongs to cluster cluster-one"), HasSubstr("cluster-two")));
  Open();
  EXPECT_EQ(LoadIdentity(*store_)->cluster_uuid, "cluster-one");
}

TEST_F(IdentityTest, RefusesAUuidThatIsEmptyOrTooLong) {
  ASSERT_TRUE(LoadIdentity(*store_).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(BindCluster(*store_, "")));
  EXPECT_TRUE(absl::IsInvalidArgument(BindCluster(*store_, std::string(65, 'u'))));
}

TEST_F(IdentityTest, ThatIsDamagedIsNotReplaced) {
  ASSERT_TRUE(LoadIdentity(*store_).ok());
  std::string octets = store_->ReadMeta("identity").value();
  octets[3] = static_cast<char>(octets[3] ^ 1);
  ASSERT_TRUE(Write({spool::PutMeta{"identity", octets}}).ok());
  EXPECT_TRUE(absl::IsDataLoss(LoadIdentity(*store_).status()));
  EXPECT_EQ(store_->ReadMeta("identity").value(), octets);
}

TEST_F(IdentityTest, IsNotDrawnForASpoolThatHoldsSegments) {
  ASSERT_TRUE(Write({spool::PutSegment{kSegment, "s"}}).ok());
  EXPECT_TRUE(absl::IsDataLoss(LoadIdentity(*store_).status()));
}

TEST(DiskSpace, OfADirectoryIsPositiveAndWithinTheDisk) {
  TempDirectory directory;
  auto space = ReadDiskSpace(directory.path());
  ASSERT_TRUE(space.ok()) << space.status();
  EXPECT_GT(space->total_bytes, 0u);
  EXPECT_LE(space->available_bytes, space->total_bytes);
}

TEST(DiskSpace, OfAMissingDirectoryNamesIt) {
  auto space = ReadDiskSpace("/nonexistent/spool");
  EXPECT_TRUE(absl::IsUnavailable(space.status()));
  EXPECT_THAT(std::string(space.status().message()), HasSubstr("/nonexistent/spool"));
}

}  // namespace
}  // namespace fermo::node
