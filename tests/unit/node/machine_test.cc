#include "node/machine.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "node/store/identity.h"
#include "tests/unit/store/store_fixture.h"

namespace fermo::node {
namespace {

class MachineTest : public StoreTest {
 protected:
  MachineStart Start(const std::string& boot_id) {
    auto start = CompareMachine(*store_, boot_id);
    EXPECT_TRUE(start.ok()) << start.status();
    NoteMachine(*store_, boot_id, *start);
    EXPECT_TRUE(WriteAndWait(*store_, {}).ok());  // what was queued is written
    return *start;
  }
};

TEST_F(MachineTest, KnowsARestartOfTheMachineForAsLongAsItRuns) {
  EXPECT_FALSE(MachineBootId()->empty());
  EXPECT_FALSE(Start("one").restarted) << "a new directory";
  EXPECT_FALSE(Start("one").restarted) << "the process only";
  const MachineStart second = Start("two");
  EXPECT_TRUE(second.restarted);
  EXPECT_TRUE(second.first);
  const MachineStart third = Start("two");
  EXPECT_TRUE(third.restarted) << "what was unsynced is still lost";
  EXPECT_FALSE(third.first);
}

TEST_F(MachineTest, AStartThatWasNotNotedIsTheFirstOnceMore) {
  Start("one");
  EXPECT_TRUE(CompareMachine(*store_, "two")->first);
  EXPECT_TRUE(CompareMachine(*store_, "two")->first);
}

TEST_F(MachineTest, BootNumbersThatWereLostAreNotTakenAgain) {
  EXPECT_EQ(BootStep({false, false}, 4711), 1u);
  EXPECT_EQ(BootStep({true, false}, 4711), 1u);
  EXPECT_EQ(BootStep({true, true}, 4711), 4712u);
  ASSERT_TRUE(LoadIdentity(*store_).ok());
  EXPECT_EQ(LoadIdentity(*store_, 4712)->boot, 4713u);
}

TEST_F(MachineTest, SuspicionOutlivesAnotherStartUntilItEnds) {
  const std::string mark = directory_.path() + "/disk-failed";
  EXPECT_FALSE(*JudgeLastStop(*store_, false, mark));
  EXPECT_TRUE(*JudgeLastStop(*store_, true, mark));
  Open();
  EXPECT_TRUE(*JudgeLastStop(*store_, false, mark));
  EndSuspicion(*store_);
  Open();
  EXPECT_FALSE(*JudgeLastStop(*store_, false, mark));
}

TEST_F(MachineTest, ADiskThatFailedIsAReasonOnce) {
  const std::string mark = directory_.path() + "/disk-failed";
  std::ofstream(mark) << "I/O error\n";
  EXPECT_TRUE(*JudgeLastStop(*store_, false, mark));
  EXPECT_FALSE(std::filesystem::exists(mark));
  EndSuspicion(*store_);
  Open();
  EXPECT_FALSE(*JudgeLastStop(*store_, false, mark));
}

}  // namespace
}  // namespace fermo::node
