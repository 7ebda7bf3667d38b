// The control client against real coordinators' streams on loopback.
#include "lib/rpc/control_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <thread>

#include "fermoposta/v1/control.grpc.pb.h"
#include "lib/base/atomic_file.h"
#include "lib/rpc/bidi_stream.h"
#include "lib/rpc/server.h"
#include "tests/unit/rpc/tcp_relay.h"
#include "tests/unit/rpc/test_loop.h"

namespace fermo::rpc {
namespace {

namespace v1 = ::fermoposta::v1;
using testing::ElementsAre;
using testing::HasSubstr;
using Accepted = ServerStream<v1::Snapshot, v1::WatchRequest>;

cluster::Snapshot Generation(uint64_t generation, std::string uuid = "c-1") {
  cluster::Snapshot snapshot;
  snapshot.cluster_uuid = std::move(uuid);
  snapshot.generation = generation;
  snapshot.members = {{NodeId(1), "firenze-1", "firenze", "127.0.0.1:4001"}};
  snapshot.domains = {{"a.test", {"mx.a.test", 25}}};
  return snapshot;
}

// A coordinator that sends what the test tells it to.
class Coordinator final : public v1::Control::CallbackService {
 public:
  Coordinator(TestLoop& loop, cluster::Snapshot snapshot)
      : executor_(loop.executor()), snapshot_(std::move(snapshot)) {
    ServerOptions options;
    options.listen = "127.0.0.1:0";
    options.insecure = true;
    options.services = {{v1::Control::service_full_name(), this}};
    server_ = *Server::Start(std::move(options));
    relay = std::make_unique<TcpRelay>(server_->port());
  }
  void Shutdown(TestLoop& loop) {
    stream_.reset();
    std::thread thread([this] { server_->Shutdown(Duration::zero()); });
    loop.Drain();
    thread.join();
  }
  void Send(cluster::Snapshot snapshot) {
    snapshot_ = std::move(snapshot);
    unsent_ = true;
    if (stream_) stream_->Notify();
  }

  std::vector<JoinInfo> joins;
  std::vector<uint64_t> acks;
  absl::Status refusal;
  std::unique_ptr<TcpRelay> relay;

 private:
  grpc::ServerBidiReactor<v1::WatchRequest, v1::Snapshot>* Watch(
      grpc::CallbackServerContext* context) override {
    return Accepted::Accept(context, executor_,
                            [this](std::unique_ptr<Accepted> stream) { Take(std::move(stream)); });
  }
  void Take(std::unique_ptr<Accepted> stream) {
    stream_ = std::move(stream);
    unsent_ = false;
    StreamCallbacks<v1::Snapshot, v1::WatchRequest> callbacks;
    callbacks.next_frame = [this]() -> std::optional<v1::Snapshot> {
      if (!std::exchange(unsent_, false)) return std::nullopt;
      v1::Snapshot proto;
      ToProto(snapshot_, &proto);
      return proto;
    };
    callbacks.on_frame = [this](v1::WatchRequest request) { Receive(std::move(request)); };
    callbacks.on_closed = [](absl::Status) {};
    stream_->Start(std::move(callbacks));
  }
  void Receive(v1::WatchRequest request) {
    if (request.has_join()) {
      joins.push_back(*FromProto(request.join()));
      if (!refusal.ok()) return stream_->Close(refusal);
      unsent_ = true;
      stream_->Notify();
    }
    if (request.applied_generation() != 0) acks.push_back(request.applied_generation());
  }

  boost::asio::any_io_executor executor_;
  cluster::Snapshot snapshot_;
  bool unsent_ = false;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Accepted> stream_;
};

class ControlClientTest : public testing::Test {
 protected:
  ControlClientTest() {
    directory_ = testing::TempDir() + "fermo-control-XXXXXX";
    directory_ = ::mkdtemp(directory_.data());
    options_.cache_file = directory_ + "/snapshot";
    options_.insecure = true;
    options_.first_backoff = std::chrono::milliseconds(20);
    options_.max_backoff = std::chrono::milliseconds(100);
    options_.join.role = Role::kNode;
    options_.join.name = "firenze-1";
    options_.join.region = "firenze";
    options_.join.node = NodeId(1);
    options_.join.boot = 1;
    options_.join.advertise_address = "127.0.0.1:4001";
  }
  ~ControlClientTest() override {
    client_.reset();
    for (auto& coordinator : coordinators_) coordinator->Shutdown(loop_);
    std::filesystem::remove_all(directory_);
  }
  Coordinator& AddCoordinator(cluster::Snapshot snapshot) {
    coordinators_.push_back(std::make_unique<Coordinator>(loop_, std::move(snapshot)));
    options_.coordinators.push_back(coordinators_.back()->relay->address());
    return *coordinators_.back();
  }
  void Start() {
    ControlClientCallbacks callbacks;
    callbacks.on_snapshot = [this](const cluster::Snapshot& s) {
      applied_.push_back(s.generation);
      last_ = s;
    };
    callbacks.on_refused = [this](const absl::Status& status) { refused_.push_back(status); };
    callbacks.on_joined = [this] { ++joined_; };
    callbacks.on_problem = [this](const absl::Status& status) {
      problems_ += std::string(status.message()) + "\n";
    };
    client_ = *ControlClient::Create(loop_.executor(), options_, std::move(callbacks));
    client_->Start();
  }
  void StopAndForget() {
    bool stopped = false;
    client_->Stop([&] { stopped = true; });
    ASSERT_TRUE(loop_.RunUntil([&] { return stopped; }));
    client_.reset();
    applied_.clear();
    problems_.clear();
  }

  TestLoop loop_;
  std::string directory_;
  ControlClientOptions options_;
  std::vector<std::unique_ptr<Coordinator>> coordinators_;
  std::unique_ptr<ControlClient> client_;
  std::vector<uint64_t> applied_;
  cluster::Snapshot last_;
  std::vector<absl::Status> refused_;
  int joined_ = 0;
  std::string problems_;
};

TEST_F(ControlClientTest, AJoinIsReportedAlsoWhenTheSnapshotIsNotNew) {
  Coordinator& coordinator = AddCoordinator(Generation(3));
  Start();
  ASSERT_TRUE(loop_.RunUntil([&] { return coordinator.acks.size() == 1; }));
  StopAndForget();
  joined_ = 0;
  coordinator.refusal = absl::FailedPreconditionError("this is cluster c-2");
  Start();
  EXPECT_THAT(applied_, ElementsAre(3)) << "from its file";
  ASSERT_TRUE(loop_.RunUntil([&] { return refused_.size() == 1; }));
  EXPECT_EQ(joined_, 0);
  coordinator.refusal = absl::OkStatus();
  ASSERT_TRUE(loop_.RunUntil([&] { return joined_ == 1; }));
  EXPECT_THAT(applied_, ElementsAre(3));
}

TEST_F(ControlClientTest, JoinsAppliesAndAcknowledgesEachSnapshot) {
  Coordinator& coordinator = AddCoordinator(Generation(3));
  Start();
  ASSERT_TRUE(loop_.RunUntil([&] { return coordinator.acks.size() == 1; }));
  EXPECT_EQ(last_, Generation(3));
  EXPECT_TRUE(client_->Connected());
  ASSERT_EQ(coordinator.joins.size(), 1u);
  EXPECT_EQ(coordinator.joins[0].name, "firenze-1");
  EXPECT_EQ(coordinator.joins[0].cluster_uuid, "");
  coordinator.Send(Generation(4));
  ASSERT_TRUE(loop_.RunUntil([&] { return coordinator.acks.size() == 2; }));
  EXPECT_THAT(coordinator.acks, ElementsAre(3, 4));
  EXPECT_THAT(applied_, ElementsAre(3, 4));
  EXPECT_EQ(problems_, "");
}

TEST_F(ControlClientTest, RunsOnTheCachedSnapshotWithoutACoordinator) {
  Coordinator& coordinator = AddCoordinator(Generation(3));
  Start();
  ASSERT_TRUE(loop_.RunUntil([&] { return coordinator.acks.size() == 1; }));
  StopAndForget();
  coordinator.relay->Refuse(true);
  Start();
  EXPECT_THAT(applied_, ElementsAre(3));  // before any run of the loop
  EXPECT_EQ(*client_->Current(), Generation(3));
  EXPECT_TRUE(loop_.RunUntil([&] { return !problems_.empty(); }));
  EXPECT_THAT(problems_, HasSubstr("no coordinator answers; running on generation 3"));
  // The outage is reported once, and ends by itself.
  coordinator.Send(Generation(5));
  coordinator.relay->Refuse(false);
  ASSERT_TRUE(loop_.RunUntil([&] { return coordinator.acks.size() == 2; }));
  EXPECT_THAT(applied_, ElementsAre(3, 5));
  EXPECT_EQ(std::count(problems_.begin(), problems_.end(), '\n'), 1);
  EXPECT_EQ(coordinator.joins.back().cluster_uuid, "c-1");
}

TEST_F(ControlClientTest, AcknowledgesButDoesNotApplyWhatItHasAfterAReconnection) {
  Coordinator& coordinator = AddCoordinator(Generation(3));
  Start();
  ASSERT_TRUE(loop_.RunUntil([&] { return coordinator.acks.size() == 1; }));
  coordinator.relay->Cut();
  ASSERT_TRUE(loop_.RunUntil([&] { return coordinator.acks.size() == 2; }));
  EXPECT_THAT(coordinator.acks, ElementsAre(3, 3));
  EXPECT_THAT(applied_, ElementsAre(3));
}

TEST_F(ControlClientTest, NeverAppliesAnOlderGeneration) {
  Coordinator& coordinator = AddCoordinator(Generation(7));
  Start();
  ASSERT_TRUE(loop_.RunUntil([&] { return coordinator.acks.size() == 1; }));
  coordinator.Send(Generation(6));
  ASSERT_TRUE(loop_.RunUntil([&] { return coordinator.acks.size() == 2; }));
  EXPECT_THAT(coordinator.acks, ElementsAre(7, 7));
  EXPECT_THAT(applied_, ElementsAre(7));
  EXPECT_THAT(problems_, HasSubstr("generation 6, older than 7"));
}

TEST_F(ControlClientTest, LeavesACoordinatorOfAnotherCluster) {
  Coordinator& own = AddCoordinator(Generation(1));
  Start();
  ASSERT_TRUE(loop_.RunUntil([&] { return own.acks.size() == 1; }));
  StopAndForget();
  own.relay->Refuse(true);
  Coordinator& foreign = AddCoordinator(Generation(9, "c-2"));
  Start();
  ASSERT_TRUE(
      loop_.RunUntil([&] { return problems_.find("another cluster") != std::string::npos; }));
  EXPECT_THAT(applied_, ElementsAre(1));
  EXPECT_TRUE(foreign.acks.empty());
  own.relay->Refuse(false);
  ASSERT_TRUE(loop_.RunUntil([&] { return own.acks.size() == 2; }));
  EXPECT_THAT(applied_, ElementsAre(1));
}

TEST_F(ControlClientTest, ReportsARefusalAndGoesOnTrying) {
  Coordinator& coordinator = AddCoordinator(Generation(1));
  coordinator.refusal = absl::FailedPreconditionError("node firenze-1 was evicted");
  Start();
  ASSERT_TRUE(loop_.RunUntil([&] { return refused_.size() == 2; }));
  EXPECT_EQ(refused_[0], coordinator.refusal);
  EXPECT_TRUE(applied_.empty());
  coordinator.refusal = absl::OkStatus();
  ASSERT_TRUE(loop_.RunUntil([&] { return applied_.size() == 1; }));
}

TEST_F(ControlClientTest, FindsTheCoordinatorThatLives) {
  AddCoordinator(Generation(1)).relay->Refuse(true);
  AddCoordinator(Generation(1)).relay->Refuse(true);
  Coordinator& third = AddCoordinator(Generation(4));
  Start();
  ASSERT_TRUE(loop_.RunUntil([&] { return third.acks.size() == 1; }));
  EXPECT_EQ(problems_, "");
}

TEST_F(ControlClientTest, ReportsADamagedCacheAndGoesOn) {
  ASSERT_TRUE(WriteFileAtomically(options_.cache_file, "not a snapshot at all").ok());
  Coordinator& coordinator = AddCoordinator(Generation(2));
  Start();
  EXPECT_TRUE(applied_.empty());
  EXPECT_THAT(problems_, HasSubstr(options_.cache_file));
  ASSERT_TRUE(loop_.RunUntil([&] { return coordinator.acks.size() == 1; }));
  StopAndForget();
  Start();
  EXPECT_THAT(applied_, ElementsAre(2));
}

TEST_F(ControlClientTest, ReportsACacheThatCannotBeWrittenAndAcknowledgesAllTheSame) {
  options_.cache_file = directory_ + "/absent/snapshot";
  Coordinator& coordinator = AddCoordinator(Generation(2));
  Start();
  ASSERT_TRUE(loop_.RunUntil([&] { return coordinator.acks.size() == 1; }));
  EXPECT_THAT(problems_, HasSubstr("absent/snapshot"));
}

TEST_F(ControlClientTest, DoesNotUseACacheOfAnotherCluster) {
  Coordinator& coordinator = AddCoordinator(Generation(3));
  Start();
  ASSERT_TRUE(loop_.RunUntil([&] { return coordinator.acks.size() == 1; }));
  StopAndForget();
  options_.join.cluster_uuid = "c-2";
  Start();
  EXPECT_TRUE(applied_.empty());
  EXPECT_THAT(problems_, HasSubstr("another cluster"));
}

TEST_F(ControlClientTest, MayBeDestroyedInsideItsCallback) {
  AddCoordinator(Generation(3));
  ControlClientCallbacks callbacks;
  bool destroyed = false;
  callbacks.on_snapshot = [&](const cluster::Snapshot&) {
    client_.reset();
    destroyed = true;
  };
  client_ = *ControlClient::Create(loop_.executor(), options_, std::move(callbacks));
  client_->Start();
  EXPECT_TRUE(loop_.RunUntil([&] { return destroyed; }));
  EXPECT_TRUE(loop_.Drain());
}

TEST_F(ControlClientTest, RefusesAddressesThatCannotBeUsed) {
  ControlClientCallbacks callbacks;
  options_.coordinators = {};
  EXPECT_FALSE(ControlClient::Create(loop_.executor(), options_, callbacks).ok());
  options_.coordinators = {"192.0.2.1:4000"};
  EXPECT_EQ(ControlClient::Create(loop_.executor(), options_, callbacks).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace fermo::rpc
