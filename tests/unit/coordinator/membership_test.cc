// Joining and the table of connected processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "coordinator/membership/join.h"
#include "coordinator/membership/process_table.h"

namespace fermo::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

rpc::JoinInfo Node(uint64_t id, const std::string& name) {
  rpc::JoinInfo join;
  join.role = rpc::Role::kNode;
  join.name = name;
  join.region = "roma";
  join.node = NodeId(id);
  join.boot = 1;
  join.advertise_address = "127.0.0.1:7001";
  join.http_address = "127.0.0.1:7002";
  return join;
}

rpc::JoinInfo Frontend(const std::string& name) {
  rpc::JoinInfo join;
  join.role = rpc::Role::kSmtpFrontend;
  join.name = name;
  join.region = "roma";
  join.smtp_address = "127.0.0.1:2525";
  return join;
}

Process Connection(uint64_t stream, const rpc::JoinInfo& join, uint64_t applied = 0) {
  Process process;
  process.stream = stream;
  process.join = join;
  process.applied_generation = applied;
  return process;
}

class JoinTest : public testing::Test {
 protected:
  JoinTest() { view_.cluster_uuid = "uuid"; }
  absl::Status Check(const rpc::JoinInfo& join) { return CheckJoin(join, view_, connected_); }
  std::string Problem(const rpc::JoinInfo& join) {
    const absl::Status status = Check(join);
    return absl::IsInvalidArgument(status) ? std::string(status.message()) : "no bad argument";
  }

  ClusterView view_;
  ProcessTable connected_;
};

TEST_F(JoinTest, ANodeAndAFrontendMayJoinWithAndWithoutTheUuid) {
  EXPECT_TRUE(Check(Node(1, "roma-1")).ok());
  EXPECT_TRUE(Check(Frontend("roma-fe")).ok());
  rpc::JoinInfo again = Node(1, "roma-1");
  again.cluster_uuid = "uuid";
  EXPECT_TRUE(Check(again).ok());
}

TEST_F(JoinTest, AnotherClustersProcessIsRefusedWithBothNames) {
  rpc::JoinInfo join = Node(1, "roma-1");
  join.cluster_uuid = "other";
  const absl::Status status = Check(join);
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("cluster uuid"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("cluster other"));
}

TEST_F(JoinTest, AnEvictedNodeIsRefusedForGood) {
  view_.evicted.insert(NodeId(1));
  EXPECT_TRUE(absl::IsPermissionDenied(Check(Node(1, "roma-1"))));
  EXPECT_TRUE(Check(Node(2, "roma-1")).ok());
}

TEST_F(JoinTest, ANameThatALiveNodeHasIsRefused) {
  connected_.Add(Connection(1, Node(1, "roma-1")));
  EXPECT_TRUE(absl::IsAlreadyExists(Check(Node(2, "roma-1"))));
  EXPECT_TRUE(Check(Node(1, "roma-1")).ok());  // itself, connecting again
  EXPECT_TRUE(Check(Node(2, "roma-2")).ok());
  EXPECT_TRUE(Check(Frontend("roma-1")).ok());  // another role, another name space
  connected_.Remove(1, WallTime{});
  EXPECT_TRUE(Check(Node(2, "roma-1")).ok());
}

TEST_F(JoinTest, EachBadFieldIsNamed) {
  rpc::JoinInfo join = Node(1, "");
  EXPECT_THAT(Problem(join), StartsWith("name: "));
  join = Node(1, "roma 1");
  EXPECT_THAT(Problem(join), StartsWith("name: "));
  join = Node(1, std::string(64, 'x'));
  EXPECT_THAT(Problem(join), StartsWith("name: "));
  join = Node(1, "roma-1");
  join.region = "ro\nma";
  EXPECT_THAT(Problem(join), StartsWith("region: "));
  join = Node(1, "roma-1");
  join.advertise_address = "127.0.0.1:0";
  EXPECT_THAT(Problem(join), StartsWith("advertise_address: "));
  join.advertise_address = "";
  EXPECT_THAT(Problem(join), StartsWith("advertise_address: "));
  join = Node(0, "roma-1");
  EXPECT_THAT(Problem(join), StartsWith("node: "));
  join = Frontend("roma-fe");
  join.smtp_address = "nowhere";
  EXPECT_THAT(Problem(join), StartsWith("smtp_address: "));
  join = Frontend("roma-fe");
  join.version = std::string(65, '1');
  EXPECT_THAT(Problem(join), StartsWith("version: "));
}

TEST(ProcessTableTest, CountsWhoHasAppliedAGeneration) {
  ProcessTable table;
  table.Add(Connection(1, Node(1, "a")));
  table.Add(Connection(2, Node(2, "b"), 5));
  table.Add(Connection(3, Frontend("c")));
  EXPECT_EQ(table.CountApplied(5), (AppliedCount{3, 1}));
  table.Acknowledge(1, 5);
  table.Acknowledge(3, 4);
  EXPECT_EQ(table.CountApplied(5), (AppliedCount{3, 2}));
  table.Acknowledge(3, 6);
  table.Acknowledge(3, 2);  // never back
  table.Acknowledge(99, 9);
  EXPECT_EQ(table.CountApplied(5), (AppliedCount{3, 3}));
  EXPECT_EQ(table.Newest()->join.name, "c");
  table.Remove(3, WallTime{});
  EXPECT_EQ(table.CountApplied(5), (AppliedCount{2, 2}));
}

TEST(ProcessTableTest, AProcessThatConnectsAgainReplacesItsOldStream) {
  ProcessTable table;
  EXPECT_THAT(table.Add(Connection(1, Node(1, "a"))), IsEmpty());
  EXPECT_THAT(table.Add(Connection(2, Frontend("f"))), IsEmpty());
  EXPECT_THAT(table.Add(Connection(3, Node(1, "renamed"))), ElementsAre(1u));
  EXPECT_THAT(table.Add(Connection(4, Frontend("f"))), ElementsAre(2u));
  EXPECT_THAT(table.Add(Connection(5, Frontend("g"))), IsEmpty());
  EXPECT_EQ(table.size(), 3u);
  table.Remove(1, WallTime{});  // the old stream ends at last
  EXPECT_NE(table.FindNode(NodeId(1)), nullptr);
  EXPECT_EQ(table.FindNodeByName("a"), nullptr);
}

TEST(ProcessTableTest, RemembersSinceWhenANodeIsAway) {
  ProcessTable table;
  const WallTime left = WallTime(std::chrono::milliseconds(1000));
  EXPECT_EQ(table.DisconnectedAt(NodeId(1)), std::nullopt);
  table.Add(Connection(1, Node(1, "a")));
  table.Remove(1, left);
  EXPECT_EQ(table.DisconnectedAt(NodeId(1)), left);
  table.Add(Connection(2, Node(1, "a")));
  EXPECT_EQ(table.DisconnectedAt(NodeId(1)), std::nullopt);
}

}  // namespace
}  // namespace fermo::coordinator
