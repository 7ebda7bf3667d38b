// Appends: when a message is durable, when it is refused, and who must agree.
#include <gtest/gtest.h>

#include "tests/support/replica_cluster.h"

namespace fermo::test {
namespace {

using namespace std::chrono_literals;

cluster::ReplicaOptions Quick() {
  cluster::ReplicaOptions options;
  options.append_budget = 3s;
  return options;
}

TEST(ReplicaAccept, AMessageIsAnsweredOnceTwoRegionsHaveIt) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(100ms);
  auto upload = c.Accept(0);
  ASSERT_EQ(c.Verdict(upload), nullptr) << "answered before anything was written";
  ASSERT_TRUE(c.RunUntil([&] { return c.Verdict(upload) != nullptr; }, 1s));
  EXPECT_TRUE(c.Verdict(upload)->ok());
  int copies = 0;
  for (int node = 0; node < 3; ++node) copies += c.disk(node).Holds(c.IdOf(upload));
  EXPECT_GE(copies, 2);
  c.Run(100ms);
  for (int node = 0; node < 3; ++node) EXPECT_TRUE(c.disk(node).Holds(c.IdOf(upload)));
}

TEST(ReplicaAccept, TheThirdHolderIsNotWaitedFor) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(100ms);
  c.BlockWrites(2, true);
  auto upload = c.Accept(0);
  ASSERT_TRUE(c.RunUntil([&] { return c.Verdict(upload) != nullptr; }, 1s));
  EXPECT_TRUE(c.Verdict(upload)->ok());
  EXPECT_FALSE(c.disk(2).Holds(c.IdOf(upload)));
}

TEST(ReplicaAccept, TwoCopiesInOneRegionAreNotEnough) {
  ReplicaCluster c({"firenze", "firenze", "roma"}, Quick());
  c.Run(100ms);
  c.BlockWrites(2, true);
  auto upload = c.Accept(0);
  c.Run(1s);
  EXPECT_EQ(c.Verdict(upload), nullptr);
  ASSERT_TRUE(c.RunUntil([&] { return c.Verdict(upload) != nullptr; }, 5s));
  EXPECT_TRUE(absl::IsUnknown(*c.Verdict(upload)));
}

TEST(ReplicaAccept, WithoutAQuorumNewMailIsRefusedAtOnceWithTheReason) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(100ms);
  c.Isolate(0, true);
  auto upload = c.Accept(0);
  ASSERT_NE(c.Verdict(upload), nullptr);
  EXPECT_TRUE(absl::IsUnavailable(*c.Verdict(upload)));
  EXPECT_NE(c.Verdict(upload)->message().find("no quorum"), std::string::npos);
}

TEST(ReplicaAccept, AnAppendThatMissesItsBudgetIsAbortedOnDiskBeforeTheSenderHears) {
  ReplicaCluster c({"firenze", "roma", "catania"}, Quick());
  c.Run(100ms);
  c.BlockWrites(1, true);
  c.BlockWrites(2, true);
  auto upload = c.Accept(0);
  ASSERT_TRUE(c.RunUntil([&] { return c.Verdict(upload) != nullptr; }, 5s));
  EXPECT_FALSE(c.Verdict(upload)->ok());
  const MessageId id = c.IdOf(upload);
  EXPECT_FALSE(c.disk(0).Holds(id));
  EXPECT_TRUE(cluster::Contains(c.replica(0).Find(id.segment)->aborted, id.seq));
  // The late copies must not become mail.
  c.BlockWrites(1, false);
  c.BlockWrites(2, false);
  c.primary_up = true;
  c.Run(3s);
  EXPECT_EQ(c.Deliveries(id), 0);
  for (int node = 1; node < 3; ++node) EXPECT_FALSE(c.disk(node).Holds(id));
}

TEST(ReplicaAccept, SeqsAreDenseWhateverTheOrderOfUploads) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(100ms);
  std::vector<cluster::UploadId> uploads;
  for (int i = 0; i < 20; ++i) uploads.push_back(c.Accept(0, 1 + i % 3, i % 2 ? 3 : 1));
  c.Run(100ms);
  for (uint32_t i = 0; i < 20; ++i) EXPECT_EQ(c.IdOf(uploads[i]).seq, Seq(i));
}

TEST(ReplicaAccept, ABodyThatBrokeOnTheWayIsFetchedWhole) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(100ms);
  cluster::UploadId large = 77;
  c.Feed(0, cluster::BeginUpload{large});
  c.Feed(0, cluster::AddChunk{large, MakeBytes("first")});
  c.Run(10ms);
  c.SetLink(0, 2, false);
  c.Run(10ms);
  c.SetLink(0, 2, true);
  c.Run(10ms);
  spool::MessageRecord record;
  record.envelope.forward_paths = {"a@example.test"};
  record.chunks = 2;
  record.size = 2;
  record.body = c.replica(0).PlannedBody(large);
  c.Feed(0, cluster::AddChunk{large, MakeBytes("second")});
  cluster::CommitUpload commit;
  commit.upload = large;
  commit.record = MakeBytes(spool::Encode(record));
  commit.chunks = 2;
  c.Feed(0, commit);
  c.Run(200ms);
  ASSERT_NE(c.Verdict(large), nullptr);
  EXPECT_TRUE(c.Verdict(large)->ok());
  EXPECT_TRUE(c.disk(2).Holds(c.IdOf(large))) << "the third copy never came";
}

TEST(ReplicaAccept, AHolderThatWasAwayCatchesUp) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(100ms);
  auto before = c.Accept(0);
  c.Run(50ms);
  c.Kill(2);
  auto meanwhile = c.Accept(0);
  c.Run(50ms);
  ASSERT_TRUE(c.Verdict(meanwhile)->ok());
  ASSERT_EQ(c.IdOf(before).segment, c.IdOf(meanwhile).segment)
      << "a dead holder that nobody can replace does not change the segment";
  c.Restart(2);
  c.Run(100ms);
  EXPECT_TRUE(c.disk(2).Holds(c.IdOf(meanwhile)));
  EXPECT_EQ(c.replica(0).GetView(c.now()).under_replicated, 0u);
}

TEST(ReplicaAccept, AnAppendThatComesTwiceIsStoredOnce) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Run(100ms);
  // The first was copied once more when the new segment's holders were compared.
  const int before = c.NotesOf("append_repeated");
  for (int more = 0; more < 20; ++more) c.AcceptOne(0);
  c.Run(100ms);
  EXPECT_EQ(c.NotesOf("append_repeated"), before) << "none of what came later";
  const cluster::SegmentRecord record = c.replica(0).Find(id.segment)->record;
  const cluster::Append again{record, id.seq, MakeBytes("not looked at"), nullptr, true};
  c.Feed(1, cluster::DataReceived{c.Id(0), again});
  EXPECT_EQ(c.NotesOf("append_repeated"), before + 1);
  EXPECT_TRUE(c.disk(1).Holds(id));
}

TEST(ReplicaAccept, ADeadHolderIsReplacedByALiveNodeForNewMail) {
  ReplicaCluster c({"firenze", "roma", "catania", "bari"});
  c.Run(1s);
  auto first = c.Accept(0);
  c.Run(50ms);
  const SegmentId old = c.IdOf(first).segment;
  int dead = -1;
  for (int node = 1; node < 4; ++node) {
    if (c.replica(0).Find(old)->record.HasHolder(c.Id(node))) dead = node;
  }
  c.Kill(dead);
  c.Run(4s);
  auto second = c.Accept(0);
  c.Run(50ms);
  ASSERT_TRUE(c.Verdict(second)->ok());
  EXPECT_NE(c.IdOf(second).segment, old);
  EXPECT_FALSE(c.replica(0).Find(c.IdOf(second).segment)->record.HasHolder(c.Id(dead)));
  EXPECT_TRUE(c.replica(0).Find(old)->record.sealed);
}

TEST(ReplicaAccept, ADrainingNodeTakesNothingNewAndSealsItsSegments) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(100ms);
  auto upload = c.Accept(0);
  c.Run(50ms);
  c.Feed(0, cluster::StopAccepting{});
  EXPECT_TRUE(c.replica(0).Find(c.IdOf(upload).segment)->record.sealed);
  auto late = c.Accept(0);
  EXPECT_TRUE(absl::IsUnavailable(*c.Verdict(late)));
}

TEST(ReplicaAccept, ADiskThatCompletesNoWriteStopsLeasesAndNewMail) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(1s);
  auto upload = c.Accept(0);
  c.Run(3s);
  const SegmentId segment = c.IdOf(upload).segment;
  ASSERT_TRUE(c.replica(0).MayStart(segment, c.now()));
  c.BlockWrites(0, true);
  bool wanted = true;
  c.lose_control = [&](int from, const cluster::ControlMessage& message) {
    const auto* heartbeat = std::get_if<cluster::Heartbeat>(&message);
    if (from == 0 && heartbeat != nullptr) wanted = heartbeat->lease_wanted;
    return false;
  };
  c.Run(7s);
  EXPECT_FALSE(c.replica(0).MayStart(segment, c.now()));
  auto refused = c.Accept(0);
  ASSERT_NE(c.Verdict(refused), nullptr);
  EXPECT_TRUE(absl::IsUnavailable(*c.Verdict(refused)));
  EXPECT_FALSE(wanted) << "it asks for none";
}

TEST(ReplicaAccept, ADiskThatCompletesNoWriteGrantsNoLeases) {
  ReplicaCluster c({"firenze", "roma", "catania"});
  c.Run(1s);
  const MessageId id = c.AcceptOne(0);
  c.Run(3s);
  ASSERT_TRUE(c.replica(0).MayStart(id.segment, c.now()));
  for (int node : {1, 2}) c.BlockWrites(node, true);
  c.Run(16s);
  EXPECT_FALSE(c.replica(0).MayStart(id.segment, c.now()));
  c.BlockWrites(1, false);
  EXPECT_TRUE(c.RunUntil([&] { return c.replica(0).MayStart(id.segment, c.now()); }, 5s));
}

}  // namespace
}  // namespace fermo::test
