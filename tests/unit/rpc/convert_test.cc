// The converters and the decision about snapshots: what comes back, and what
// is refused of foreign input.
#include "lib/rpc/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fermoposta/v1/common.pb.h"
#include "fermoposta/v1/control.pb.h"
#include "fermoposta/v1/replication.pb.h"
#include "fermoposta/v1/spool.pb.h"
#include "lib/rpc/control_client.h"
#include "lib/rpc/convert_replication.h"
#include "lib/spool/limits.h"

namespace fermo::rpc {
namespace {

using testing::HasSubstr;

std::string Problem(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

cluster::SegmentRecord SomeRecord() {
  cluster::SegmentRecord record;
  record.id = {NodeId(7), 3, 9};
  record.holders = {NodeId(7), NodeId(8), NodeId(9)};
  record.list_version = 2;
  record.former_holders = {NodeId(5)};
  record.epoch = Epoch(4);
  record.owner = NodeId(8);
  record.sealed = true;
  return record;
}

v1::SegmentRecord SomeRecordProto() {
  v1::SegmentRecord proto;
  ToProto(SomeRecord(), &proto);
  return proto;
}

TEST(ConvertSegmentRecord, ComesBackAsItWas) {
  auto back = FromProto(SomeRecordProto());
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, SomeRecord());
}

TEST(ConvertSegmentRecord, RefusesWhatNoHolderWouldSend) {
  auto proto = SomeRecordProto();
  proto.clear_holders();
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("holders"));
  proto = SomeRecordProto();
  proto.add_holders(7);
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("twice"));
  proto = SomeRecordProto();
  proto.set_epoch(0);
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("epoch"));
  proto = SomeRecordProto();
  proto.set_owner(0);
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("owner"));
  proto = SomeRecordProto();
  proto.mutable_id()->set_boot(0);
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("boot"));
  proto = SomeRecordProto();
  proto.set_write_copies(0);
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("write_copies"));
  proto = SomeRecordProto();
  for (int i = 0; i < 100; ++i) proto.add_former_holders(100 + i);
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("too many"));
}

TEST(ConvertClaim, ComesBackWithWhatIsUnderWay) {
  using std::chrono::seconds;
  cluster::Claim claim{SomeRecord(), Epoch(5), true, {}};
  claim.in_flight = {{Seq(3), seconds(7), NodeId(9), 2, Epoch(3)},
                     {Seq(4), seconds(8), NodeId(5), 1, Epoch(2)}};
  v1::ControlMessage proto;
  ToProto(cluster::ControlMessage(claim), &proto);
  auto back = FromProto(std::move(proto));
  ASSERT_TRUE(back.ok()) << back.status();
  const auto& taken = std::get<cluster::Claim>(*back);
  EXPECT_EQ(taken.record, SomeRecord());
  EXPECT_TRUE(taken.owner);
  ASSERT_EQ(taken.in_flight.size(), 2u);
  EXPECT_EQ(taken.in_flight[1].seq, Seq(4));
  EXPECT_EQ(taken.in_flight[1].wait, seconds(8));
  EXPECT_EQ(taken.in_flight[1].owner, NodeId(5));
  EXPECT_EQ(taken.in_flight[1].owner_boot, 1u);
  EXPECT_EQ(taken.in_flight[1].epoch, Epoch(2));
}

TEST(ConvertSeqRanges, RefusesRangesThatAreNotAscending) {
  v1::SeqRanges proto;
  ToProto(std::vector<uint32_t>{0, 4, 6, 7}, &proto);
  EXPECT_EQ(*FromProto(proto), (std::vector<uint32_t>{0, 4, 6, 7}));
  for (const std::vector<uint32_t>& bad :
       {std::vector<uint32_t>{1}, {4, 4}, {4, 3}, {0, 4, 4, 8}, {0, 4, 2, 8}}) {
    ToProto(bad, &proto);
    EXPECT_FALSE(FromProto(proto).ok());
  }
  ToProto(std::vector<uint32_t>{}, &proto);
  EXPECT_TRUE(FromProto(proto)->empty());
}

TEST(ConvertLegOutcome, ComesBackWithItsReplyCleanedAndCut) {
  spool::LegOutcome outcome;
  outcome.seq = Seq(5);
  outcome.leg = 1;
  outcome.outcome = spool::Outcome::kBounced;
  outcome.epoch = Epoch(2);
  outcome.node = NodeId(3);
  outcome.reply = "550 5.1.1 no\r\nsuch \xff user" + std::string(600, 'x');
  outcome.at = WallTime(std::chrono::milliseconds(1234));
  v1::LegOutcome proto;
  ToProto(outcome, &proto);
  auto back = FromProto(proto);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->seq, outcome.seq);
  EXPECT_EQ(back->leg, 1u);
  EXPECT_EQ(back->outcome, spool::Outcome::kBounced);
  EXPECT_EQ(back->at, outcome.at);
  EXPECT_EQ(back->reply.size(), spool::kMaxReplyOctets);
  EXPECT_EQ(back->reply.substr(0, 26), "550 5.1.1 no??such ? userx");
}

TEST(ConvertLegOutcome, RefusesAnOutcomeThatIsNone) {
  v1::LegOutcome proto;
  proto.set_epoch(1);
  proto.set_node(1);
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("outcome"));
  proto.set_outcome(static_cast<v1::Outcome>(77));
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("outcome"));
  proto.set_outcome(v1::OUTCOME_DELIVERED);
  EXPECT_TRUE(FromProto(proto).ok());
  proto.set_leg(1'000'000);
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("leg"));
}

EnqueueStart SomeStart() {
  EnqueueStart start;
  start.cluster_uuid = "c-1";
  start.token = 99;
  start.envelope.reverse_path = "ada@example.test";
  start.envelope.forward_paths = {"bob@example.test", "eve@example.test"};
  start.envelope.body = spool::BodyType::k8BitMime;
  start.envelope.helo = "mx.example.test";
  start.envelope.client_address = "192.0.2.7";
  start.session_id = "s-1";
  return start;
}

TEST(ConvertEnqueueOpen, ComesBackAsItWas) {
  v1::EnqueueOpen proto;
  ToProto(SomeStart(), &proto);
  auto back = FromProto(proto);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->token, 99u);
  EXPECT_EQ(back->cluster_uuid, "c-1");
  EXPECT_EQ(back->session_id, "s-1");
  EXPECT_EQ(back->envelope.reverse_path, "ada@example.test");
  EXPECT_EQ(back->envelope.forward_paths, SomeStart().envelope.forward_paths);
  EXPECT_EQ(back->envelope.body, spool::BodyType::k8BitMime);
  EXPECT_EQ(back->envelope.client_address, "192.0.2.7");
}

TEST(ConvertEnqueueOpen, TakesTheNullReversePath) {
  v1::EnqueueOpen proto;
  auto start = SomeStart();
  start.envelope.reverse_path.clear();
  ToProto(std::move(start), &proto);
  EXPECT_TRUE(FromProto(proto).ok());
}

TEST(ConvertEnqueueOpen, RefusesWhatNoFrontendWouldSend) {
  v1::EnqueueOpen good;
  ToProto(SomeStart(), &good);
  auto proto = good;
  proto.clear_forward_paths();
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("forward_paths: none"));
  proto = good;
  proto.add_forward_paths("");
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("empty path"));
  proto = good;
  proto.add_forward_paths("a\r\nRCPT TO:<b@c>");
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("control characters"));
  proto = good;
  while (proto.forward_paths_size() <= int{spool::kMaxForwardPaths}) proto.add_forward_paths("a@b");
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("too many"));
  proto = good;
  proto.set_reverse_path(std::string(spool::kMaxPathOctets + 1, 'a'));
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("reverse_path: too long"));
  proto = good;
  proto.set_client_address("mx.example.test");
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("client_address"));
  proto = good;
  proto.set_token(0);
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("token"));
}

cluster::Snapshot SomeSnapshot() {
  cluster::Snapshot snapshot;
  snapshot.cluster_uuid = "c-1";
  snapshot.generation = 12;
  snapshot.members = {{NodeId(1), "firenze-1", "firenze", "127.0.0.1:4001"},
                      {NodeId(2), "roma-1", "roma", "127.0.0.1:4002"}};
  snapshot.domains = {{"a.test", {"mx.a.test", 25}}, {"b.test", {"127.0.0.1", 2525}}};
  snapshot.evicted = {NodeId(9)};
  return snapshot;
}

TEST(ConvertSnapshot, ComesBackAsItWasWithDomainsSorted) {
  v1::Snapshot proto;
  ToProto(SomeSnapshot(), &proto);
  proto.mutable_domains()->SwapElements(0, 1);
  auto back = FromProto(proto);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, SomeSnapshot());
}

TEST(ConvertSnapshot, RefusesAmbiguity) {
  v1::Snapshot good;
  ToProto(SomeSnapshot(), &good);
  auto proto = good;
  *proto.add_members() = proto.members(0);
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("twice"));
  proto = good;
  proto.mutable_members(1)->set_name("firenze-1");  // its earlier disk
  EXPECT_TRUE(FromProto(proto).ok());
  proto = good;
  *proto.add_domains() = proto.domains(0);
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("a domain twice"));
  proto = good;
  proto.mutable_domains(0)->set_name("A.test");
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("lower case"));
  proto = good;
  proto.mutable_domains(0)->set_primary_port(70000);
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("primary_port"));
  proto = good;
  proto.clear_cluster_uuid();
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("cluster_uuid"));
}

TEST(ConvertJoin, ComesBackAndRefusesANodeWithoutIdentity) {
  JoinInfo join;
  join.role = Role::kNode;
  join.name = "firenze-1";
  join.region = "firenze";
  join.node = NodeId(4);
  join.boot = 2;
  join.advertise_address = "127.0.0.1:4001";
  join.version = "0.1.0";
  v1::Join proto;
  ToProto(join, &proto);
  auto back = FromProto(proto);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->node, NodeId(4));
  EXPECT_EQ(back->role, Role::kNode);
  proto.set_node(0);
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("node"));
  proto.set_role(v1::ROLE_SMTP_FRONTEND);
  EXPECT_TRUE(FromProto(proto).ok());
  proto.set_role(v1::ROLE_UNSPECIFIED);
  EXPECT_THAT(Problem(FromProto(proto).status()), HasSubstr("role"));
}

TEST(JudgeSnapshot, TakesTheFirstOfTheClusterThatWasJoined) {
  EXPECT_EQ(JudgeSnapshot(nullptr, "", SomeSnapshot()), SnapshotVerdict::kApply);
  EXPECT_EQ(JudgeSnapshot(nullptr, "c-1", SomeSnapshot()), SnapshotVerdict::kApply);
  EXPECT_EQ(JudgeSnapshot(nullptr, "c-2", SomeSnapshot()), SnapshotVerdict::kForeign);
}

TEST(JudgeSnapshot, NeverGoesBackNorToAnotherCluster) {
  const auto current = SomeSnapshot();
  auto offered = SomeSnapshot();
  EXPECT_EQ(JudgeSnapshot(&current, "", offered), SnapshotVerdict::kSame);
  offered.generation = 11;
  EXPECT_EQ(JudgeSnapshot(&current, "", offered), SnapshotVerdict::kOlder);
  offered.generation = 13;
  EXPECT_EQ(JudgeSnapshot(&current, "", offered), SnapshotVerdict::kApply);
  offered.cluster_uuid = "c-2";
  EXPECT_EQ(JudgeSnapshot(&current, "", offered), SnapshotVerdict::kForeign);
  offered.cluster_uuid = "";
  EXPECT_EQ(JudgeSnapshot(&current, "", offered), SnapshotVerdict::kForeign);
}

}  // namespace
}  // namespace fermo::rpc
