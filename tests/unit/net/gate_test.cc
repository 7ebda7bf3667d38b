#include "lib/net/gate.h"

#include <boost/asio/thread_pool.hpp>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/net/loop.h"

namespace fermo::net {
namespace {

using std::chrono::milliseconds;

TEST(GateTest, WhoIsInsideIsWaitedForAndNobodyEntersAfterClose) {
  test::Loop loop;
  Gate gate(loop.executor());
  std::optional<Gate::Pass> first = gate.TryEnter();
  std::optional<Gate::Pass> second = gate.TryEnter();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(gate.count(), 2u);
  gate.Close();
  EXPECT_TRUE(gate.closed());
  EXPECT_FALSE(gate.TryEnter());
  EXPECT_FALSE(loop.Run(gate.WaitUntilEmpty(milliseconds(5))));
  first.reset();
  EXPECT_FALSE(loop.Run(gate.WaitUntilEmpty(milliseconds(5))));
  std::optional<bool> empty;
  asio::co_spawn(loop.io(), gate.WaitUntilEmpty(test::kLimit),
                 [&empty](std::exception_ptr, bool result) { empty = result; });
  loop.io().poll();
  EXPECT_FALSE(empty.has_value());
  second.reset();
  loop.RunUntil([&empty] { return empty.has_value(); });
  EXPECT_TRUE(*empty);
  EXPECT_TRUE(loop.Run(gate.WaitUntilEmpty(milliseconds(5)))) << "and stays so";
}

TEST(GateTest, AnEmptyGateIsEmptyOnlyOnceClosed) {
  test::Loop loop;
  Gate gate(loop.executor());
  EXPECT_FALSE(loop.Run(gate.WaitUntilEmpty(milliseconds(5))));
  gate.Close();
  EXPECT_TRUE(loop.Run(gate.WaitUntilEmpty(test::kLimit)));
}

TEST(GateTest, APassLeavesOnceAlsoWhenMoved) {
  test::Loop loop;
  Gate gate(loop.executor());
  {
    Gate::Pass first = *gate.TryEnter();
    Gate::Pass second = std::move(first);
    EXPECT_EQ(gate.count(), 1u);
    Gate::Pass third = *gate.TryEnter();
    third = std::move(second);
    EXPECT_EQ(gate.count(), 2u) << "swapped, not lost";
  }
  EXPECT_EQ(gate.count(), 0u);
}

TEST(GateTest, APassMayOutliveTheGate) {
  test::Loop loop;
  std::optional<Gate::Pass> pass;
  {
    Gate gate(loop.executor());
    pass = gate.TryEnter();
    gate.Close();
  }
  pass.reset();
  loop.io().poll();
}

TEST(GateTest, ThreadsEnterAndLeaveAtOnce) {
  test::Loop loop;
  Gate gate(loop.executor());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&gate] {
      while (std::optional<Gate::Pass> pass = gate.TryEnter()) std::this_thread::yield();
    });
  }
  gate.Close();
  EXPECT_TRUE(loop.Run(gate.WaitUntilEmpty(test::kLimit)));
  EXPECT_EQ(gate.count(), 0u);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace fermo::net
