// Joining and watching over real gRPC, with the real store behind it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/unit/coordinator/running_coordinator.h"

namespace fermo::coordinator {
namespace {

using ::testing::HasSubstr;

class ControlServiceTest : public testing::Test {
 protected:
  ControlServiceTest() { Start(); }
  void Start(Duration survivor_lease = std::chrono::seconds(10)) {
    running_.reset();
    running_ = std::make_unique<RunningCoordinator>(dir_.path(), survivor_lease);
    ASSERT_TRUE(running_->status().ok()) << running_->status();
  }
  std::unique_ptr<WatchingProcess> Watch(const v1::Join& join, uint64_t applied = 0) {
    return std::make_unique<WatchingProcess>(running_->channel(), join, applied);
  }
  v1::AddDomainResponse AddDomain(const std::string& name) {
    v1::AddDomainRequest request;
    request.set_name(name);
    request.set_primary("127.0.0.1:2500");
    v1::AddDomainResponse response;
    grpc::ClientContext context;
    const grpc::Status status = running_->operations().AddDomain(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  grpc::Status AskToSurvive(const v1::AskToSurviveRequest& request, bool* granted) {
    auto stub = v1::Control::NewStub(running_->channel());
    v1::AskToSurviveResponse response;
    grpc::ClientContext context;
    const grpc::Status status = stub->AskToSurvive(&context, request, &response);
    *granted = response.granted();
    return status;
  }
  v1::GetClusterStatusResponse Status() {
    v1::GetClusterStatusResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(running_->operations().GetClusterStatus(&context, {}, &response).ok());
    return response;
  }
  // The processes that the coordinator knows to be connected, once there are `count`.
  v1::GetClusterStatusResponse StatusWith(int count) {
    v1::GetClusterStatusResponse response = Status();
    for (int i = 0; i < 1000 && response.processes_size() != count; ++i) response = Status();
    EXPECT_EQ(response.processes_size(), count);
    return response;
  }

  TempDir dir_;
  std::unique_ptr<RunningCoordinator> running_;
};

TEST_F(ControlServiceTest, ANewNodeIsStoredAndGetsTheSnapshotThatHasIt) {
  auto node = Watch(NodeJoin(1, "roma-1", "roma", "127.0.0.1:7001"));
  auto snapshot = node->ReadUntil(2);
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->cluster_uuid(), running_->get().cluster_uuid());
  ASSERT_EQ(snapshot->members_size(), 1);
  EXPECT_EQ(snapshot->members(0).name(), "roma-1");
  EXPECT_EQ(snapshot->members(0).address(), "127.0.0.1:7001");
  node.reset();
  const std::string uuid = running_->get().cluster_uuid();
  Start();
  EXPECT_EQ(running_->get().cluster_uuid(), uuid);
  auto frontend = Watch(FrontendJoin("roma-fe", "127.0.0.1:2525"));
  EXPECT_EQ(frontend->ReadUntil(2)->members_size(), 1);
}

TEST_F(ControlServiceTest, AChangedAddressReachesEveryWatcher) {
  auto frontend = Watch(FrontendJoin("roma-fe", "127.0.0.1:2525"));
  Watch(NodeJoin(1, "roma-1", "roma", "127.0.0.1:7001"))->ReadUntil(2);
  EXPECT_EQ(frontend->ReadUntil(2)->members(0).address(), "127.0.0.1:7001");
  Watch(NodeJoin(1, "roma-1", "roma", "127.0.0.1:7009"))->ReadUntil(3);
  EXPECT_EQ(frontend->ReadUntil(3)->members(0).address(), "127.0.0.1:7009");
}

TEST_F(ControlServiceTest, RefusalsHaveTheirCodesAndReasons) {
  v1::Join join = NodeJoin(1, "roma-1", "roma", "127.0.0.1:7001");
  join.set_cluster_uuid("another");
  grpc::Status status = Watch(join)->End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("cluster another"));
  join = NodeJoin(1, "roma-1", "roma", "127.0.0.1:0");
  status = Watch(join)->End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("advertise_address"));
  status = Watch(v1::Join())->End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ControlServiceTest, ALiveNamesakeIsRefusedAndADeadOneIsKeptAndReported) {
  auto first = Watch(NodeJoin(1, "roma-1", "roma", "127.0.0.1:7001"));
  ASSERT_TRUE(first->ReadUntil(2));
  const v1::Join second = NodeJoin(2, "roma-1", "roma", "127.0.0.1:7002");
  const grpc::Status status = Watch(second)->End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  first.reset();
  StatusWith(0);
  auto wiped = Watch(second);
  EXPECT_EQ(wiped->ReadUntil(3)->members_size(), 2);
  const auto cluster = StatusWith(1);
  EXPECT_THAT(cluster.problems(), testing::Contains(HasSubstr("2 nodes are named roma-1")));
}

TEST_F(ControlServiceTest, TheSameNodeConnectingAgainReplacesItsOldStream) {
  const v1::Join join = NodeJoin(1, "roma-1", "roma", "127.0.0.1:7001");
  auto old = Watch(join);
  ASSERT_TRUE(old->ReadUntil(2));
  auto fresh = Watch(join);
  ASSERT_TRUE(fresh->ReadUntil(2));
  EXPECT_EQ(old->End().error_code(), grpc::StatusCode::ABORTED);
  StatusWith(1);
}

TEST_F(ControlServiceTest, AddingADomainWaitsForTheProcessesToApplyIt) {
  auto one = Watch(FrontendJoin("fe-1", "127.0.0.1:2525"));
  auto two = Watch(FrontendJoin("fe-2", "127.0.0.1:2526"));
  std::thread applier([&] {
    for (auto* process : {one.get(), two.get()}) {
      const auto snapshot = process->ReadUntil(2);
      process->Acknowledge(snapshot ? snapshot->generation() : 0);
    }
  });
  StatusWith(2);
  const auto response = AddDomain("example.test");
  applier.join();
  EXPECT_EQ(response.processes(), 2u);
  EXPECT_EQ(response.applied(), 2u);
}

TEST_F(ControlServiceTest, AProcessThatDoesNotApplyIsCountedAfterTheLimit) {
  auto deaf = Watch(FrontendJoin("fe-1", "127.0.0.1:2525"));
  StatusWith(1);
  const auto response = AddDomain("example.test");
  EXPECT_EQ(response.processes(), 1u);
  EXPECT_EQ(response.applied(), 0u);
}

TEST_F(ControlServiceTest, ASlowWatcherGetsTheNewestAndNotEveryOne) {
  // Snapshots too large for many of them to fit the transport's window, which
  // must not grow.
  grpc::ChannelArguments narrow;
  narrow.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  narrow.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto channel = grpc::CreateCustomChannel(running_->get().grpc_address(),
                                                 grpc::InsecureChannelCredentials(), narrow);
  const std::string tail = std::string(60, 'x') + "." + std::string(60, 'y') + ".test";
  for (int i = 0; i < 150; ++i) AddDomain("domain-" + std::to_string(i) + "." + tail);
  auto slow =
      std::make_unique<WatchingProcess>(channel, FrontendJoin("slow-fe", "127.0.0.1:2525"), 0);
  StatusWith(1);
  constexpr uint64_t kChanges = 100;
  for (uint64_t i = 1; i <= kChanges; ++i) {
    const std::string address = "127.0.0.1:" + std::to_string(7000 + i);
    ASSERT_TRUE(Watch(NodeJoin(1, "roma-1", "roma", address))->ReadUntil(151 + i));
  }
  const auto first = slow->ReadUntil(1);
  ASSERT_TRUE(first);
  uint64_t read = 1, generation = first->generation();
  while (generation < 151 + kChanges) {
    const auto snapshot = slow->ReadUntil(generation + 1);
    ASSERT_TRUE(snapshot);
    generation = snapshot->generation();
    ++read;
  }
  EXPECT_LT(read, kChanges / 2);
}

TEST_F(ControlServiceTest, ACoordinatorThatIsBehindTheClusterMakesNoChanges) {
  auto ahead = Watch(FrontendJoin("fe-1", "127.0.0.1:2525"), /*applied=*/7);
  StatusWith(1);
  v1::AddDomainRequest request;
  request.set_name("example.test");
  request.set_primary("127.0.0.1:2500");
  v1::AddDomainResponse response;
  grpc::ClientContext context;
  const grpc::Status status = running_->operations().AddDomain(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("older than"));
  // A node may still connect, but is not stored.
  auto node = Watch(NodeJoin(1, "roma-1", "roma", "127.0.0.1:7001"), /*applied=*/7);
  const auto cluster = StatusWith(2);
  EXPECT_EQ(cluster.generation(), 1u);
  EXPECT_THAT(cluster.problems(), testing::Contains(HasSubstr("older than the cluster")));
}

TEST_F(ControlServiceTest, AnEvictedNodesStreamEndsAndItCannotComeBack) {
  const v1::Join join = NodeJoin(1, "roma-1", "roma", "127.0.0.1:7001");
  auto node = Watch(join);
  auto other = Watch(NodeJoin(2, "bari-1", "bari", "127.0.0.1:7002"));
  ASSERT_TRUE(node->ReadUntil(2));
  ASSERT_TRUE(other->ReadUntil(3));
  v1::EvictNodeRequest request;
  request.set_node("roma-1");
  request.set_force(true);
  v1::EvictNodeResponse response;
  grpc::ClientContext context;
  const grpc::Status evicted = running_->operations().EvictNode(&context, request, &response);
  ASSERT_TRUE(evicted.ok()) << evicted.error_message();
  const grpc::Status status = node->End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(), HasSubstr("has been evicted"));
  EXPECT_EQ(Watch(join)->End().error_code(), grpc::StatusCode::PERMISSION_DENIED);
  const auto snapshot = other->ReadUntil(4);
  ASSERT_TRUE(snapshot);
  ASSERT_EQ(snapshot->evicted_size(), 1);
  EXPECT_EQ(snapshot->evicted(0), 1u);
  EXPECT_EQ(snapshot->members_size(), 1);
}

TEST_F(ControlServiceTest, ASurvivorIsChosenAmongMembersOnly) {
  Start(/*survivor_lease=*/std::chrono::nanoseconds(1));
  auto node = Watch(NodeJoin(1, "roma-1", "roma", "127.0.0.1:7001"));
  ASSERT_TRUE(node->ReadUntil(2));
  v1::AskToSurviveRequest request;
  request.set_cluster_uuid(running_->get().cluster_uuid());
  request.set_node(1);
  request.mutable_segment()->set_writer(2);
  request.mutable_segment()->set_boot(1);
  request.mutable_segment()->set_number(1);
  bool granted = false;
  EXPECT_TRUE(AskToSurvive(request, &granted).ok());
  EXPECT_TRUE(granted);
  request.set_node(2);
  EXPECT_EQ(AskToSurvive(request, &granted).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  request.set_node(1);
  request.mutable_segment()->set_number(0);
  EXPECT_EQ(AskToSurvive(request, &granted).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_cluster_uuid("another");
  const grpc::Status foreign = AskToSurvive(request, &granted);
  EXPECT_EQ(foreign.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(foreign.error_message(), HasSubstr("not another"));
  // What a coordinator granted before it stopped may still run.
  Start();
  request.set_cluster_uuid(running_->get().cluster_uuid());
  request.mutable_segment()->set_number(1);
  EXPECT_TRUE(AskToSurvive(request, &granted).ok());
  EXPECT_FALSE(granted);
}

TEST_F(ControlServiceTest, AStreamWithoutAJoinIsRefused) {
  auto stub = v1::Control::NewStub(running_->channel());
  grpc::ClientContext context;
  auto stream = stub->Watch(&context);
  v1::WatchRequest request;
  request.set_applied_generation(1);
  stream->Write(request);
  v1::Snapshot snapshot;
  EXPECT_FALSE(stream->Read(&snapshot));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ControlServiceTest, ADrainEndsTheStreamsWithUnavailable) {
  auto frontend = Watch(FrontendJoin("fe-1", "127.0.0.1:2525"));
  ASSERT_TRUE(frontend->ReadUntil(1));
  std::thread stopper([&] { running_.reset(); });
  EXPECT_EQ(frontend->End().error_code(), grpc::StatusCode::UNAVAILABLE);
  stopper.join();
}

TEST_F(ControlServiceTest, ASecondCoordinatorOnTheSameDataIsRefused) {
  RunningCoordinator second(dir_.path());
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
}

TEST_F(ControlServiceTest, ADataDirectoryThatCannotBeMadeIsRefused) {
  RunningCoordinator other("/proc/nowhere");
  EXPECT_THAT(std::string(other.status().message()), HasSubstr("/proc/nowhere"));
}

}  // namespace
}  // namespace fermo::coordinator
