// Verdicts that a sender did not hear, by the token of its call.
#include <gtest/gtest.h>

#include "tests/support/replica_cluster.h"

namespace fermo::test {
namespace {

using namespace std::chrono_literals;

class ReplicaResolve : public testing::Test {
 protected:
  const absl::Status& Ask(int node, uint64_t token, Duration limit) {
    const cluster::UploadId question = c.Resolve(node, token);
    EXPECT_TRUE(c.RunUntil([&] { return c.Verdict(question) != nullptr; }, limit));
    return *c.Verdict(question);
  }
  ReplicaCluster c{{"firenze", "roma", "catania"}};
};

TEST_F(ReplicaResolve, AnAcceptedUploadIsRecognised) {
  c.Run(1s);
  const cluster::UploadId upload = c.Accept(0);
  c.Run(1s);
  const cluster::UploadId question = c.Resolve(0, upload);
  ASSERT_NE(c.Verdict(question), nullptr);
  EXPECT_TRUE(c.Verdict(question)->ok());
  EXPECT_EQ(c.IdOf(question), c.IdOf(upload));
}

TEST_F(ReplicaResolve, AnUnknownTokenIsNotFound) {
  c.Run(1s);
  EXPECT_TRUE(absl::IsNotFound(Ask(0, 4711, 1s)));
}

TEST_F(ReplicaResolve, TheQuestionWaitsUntilWHaveTheMessage) {
  c.Run(1s);
  c.BlockWrites(1, true);
  c.BlockWrites(2, true);
  const cluster::UploadId upload = c.Accept(0);
  const cluster::UploadId question = c.Resolve(0, upload);
  c.Run(2s);
  EXPECT_EQ(c.Verdict(question), nullptr) << "only its writer has it";
  c.BlockWrites(1, false);
  ASSERT_TRUE(c.RunUntil([&] { return c.Verdict(question) != nullptr; }, 1s));
  EXPECT_TRUE(c.Verdict(question)->ok());
}

// Who took over may have delivered it before it heard of the abort: "not taken"
// would be a promise that nobody can give.
TEST_F(ReplicaResolve, WhatBecameOfAnAbortedUploadNobodyKnows) {
  c.Run(1s);
  c.BlockWrites(1, true);
  c.BlockWrites(2, true);
  const cluster::UploadId upload = c.Accept(0);
  ASSERT_TRUE(c.RunUntil([&] { return c.Verdict(upload) != nullptr; }, 25s));
  EXPECT_TRUE(absl::IsUnknown(Ask(0, upload, 1s)));
}

TEST_F(ReplicaResolve, ARestartedWriterRecognisesItOnceWAreKnownToHaveIt) {
  c.Run(1s);
  const cluster::UploadId upload = c.Accept(0);
  const MessageId id{{c.Id(0), 1, 1}, Seq(0)};
  ASSERT_TRUE(c.RunUntil([&] { return c.disk(0).Holds(id) && c.disk(1).Holds(id); }, 1s));
  c.Kill(0);
  c.Restart(0);
  const cluster::UploadId question = c.Resolve(0, upload);
  EXPECT_EQ(c.Verdict(question), nullptr) << "it has asked nobody yet";
  ASSERT_TRUE(c.RunUntil([&] { return c.Verdict(question) != nullptr; }, 19s));
  EXPECT_TRUE(c.Verdict(question)->ok());
}

// It may have lost that it aborted the message, and told others so.
TEST_F(ReplicaResolve, ASuspectWriterRecognisesNothing) {
  c.Run(1s);
  const cluster::UploadId upload = c.Accept(0);
  c.Run(100ms);
  c.Kill(0);
  c.RestartSuspect(0, c.disk(0));
  EXPECT_TRUE(absl::IsNotFound(Ask(0, upload, 20s)));
}

TEST_F(ReplicaResolve, ARestartedWriterDoesNotRecogniseWhatItAloneHas) {
  c.Run(1s);
  const cluster::UploadId upload = c.Accept(0);
  c.Isolate(0, true);  // with the copies on their way
  const MessageId id{{c.Id(0), 1, 1}, Seq(0)};
  ASSERT_TRUE(c.RunUntil([&] { return c.disk(0).Holds(id); }, 1s));
  c.Kill(0);
  c.Isolate(0, false);
  c.Restart(0);
  const cluster::UploadId question = c.Resolve(0, upload);
  ASSERT_TRUE(c.RunUntil([&] { return c.NotesOf("takeover") == 1; }, 15s));
  ASSERT_EQ(c.Verdict(question), nullptr);
  c.BlockWrites(1, true);
  c.BlockWrites(2, true);
  c.Run(1s);
  EXPECT_FALSE(c.disk(1).Holds(id));
  EXPECT_EQ(c.Verdict(question), nullptr) << "it owns the segment, and no other has the message";
  c.BlockWrites(1, false);
  c.BlockWrites(2, false);
  ASSERT_TRUE(c.RunUntil([&] { return c.Verdict(question) != nullptr; }, 2s));
  EXPECT_TRUE(c.Verdict(question)->ok());
  c.primary_up = true;
  EXPECT_TRUE(c.RunUntil([&] { return c.Deliveries(id) == 1; }, 5s));
}

TEST_F(ReplicaResolve, WithoutAnAnswerWithinTheBudgetItIsUnknown) {
  c.Run(1s);
  const cluster::UploadId upload = c.Accept(0);
  c.Run(1s);
  c.Kill(0);
  c.Kill(1);
  c.Kill(2);
  c.Restart(0);
  EXPECT_TRUE(absl::IsUnknown(Ask(0, upload, 25s)));
}

}  // namespace
}  // namespace fermo::test
