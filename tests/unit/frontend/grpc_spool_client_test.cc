// Uploads to real gRPC servers on loopback: choice of the node, verdicts,
// deaths, deadlines.
#include "smtp-frontend/grpc_spool_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>

#include "tests/unit/frontend/fake_node.h"
#include "tests/unit/rpc/test_loop.h"

namespace fermo::frontend {
namespace {

namespace asio = boost::asio;
using Verdict = absl::StatusOr<std::string>;
using absl::StatusCode;

spool::Envelope SomeEnvelope() {
  spool::Envelope envelope;
  envelope.reverse_path = "ada@example.test";
  envelope.forward_paths = {"bob@example.test"};
  envelope.helo = "mx.example.test";
  envelope.client_address = "192.0.2.7";
  return envelope;
}

// One message in the parts given; the last part goes with Commit.
asio::awaitable<Verdict> SendMessage(SpoolClient* client, std::vector<std::string> parts) {
  auto upload = co_await client->Begin(SomeEnvelope(), "session-1");
  if (!upload.ok()) co_return upload.status();
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    absl::Status status = co_await (*upload)->Write(parts[i]);
    if (!status.ok()) co_return status;
  }
  co_return co_await (*upload)->Commit(parts.back());
}

class GrpcSpoolClientTest : public testing::Test {
 protected:
  GrpcSpoolClientTest() {
    options_.region = "firenze";
    options_.insecure = true;
    options_.ping_interval = std::chrono::milliseconds(50);
    options_.resolve_limit = std::chrono::milliseconds(500);
  }
  ~GrpcSpoolClientTest() override {
    client_.reset();
    EXPECT_TRUE(loop_.Drain());
  }
  FakeNode& AddNode(const std::string& region) {
    nodes_.push_back(std::make_unique<FakeNode>());
    const std::string name = region + "-" + std::to_string(nodes_.size());
    snapshot_.cluster_uuid = "c-1";
    snapshot_.members.push_back(
        {NodeId(nodes_.size()), name, region, nodes_.back()->relay->address()});
    return *nodes_.back();
  }
  // Makes the client and waits until `ready` nodes are.
  void Start(size_t ready) {
    client_ = std::make_unique<GrpcSpoolClient>(
        loop_.executor(), options_, [this](const std::string& line) { log_ += line + "\n"; });
    client_->Update(snapshot_);
    ASSERT_TRUE(loop_.RunUntil([&] { return client_->CountNodes().ready == ready; })) << log_;
  }
  Verdict Send(std::vector<std::string> parts) {
    return *loop_.Await(SendMessage(client_.get(), std::move(parts)));
  }

  rpc::TestLoop loop_;
  GrpcSpoolClientOptions options_;
  std::vector<std::unique_ptr<FakeNode>> nodes_;
  cluster::Snapshot snapshot_;
  std::string log_;
  std::unique_ptr<GrpcSpoolClient> client_;
};

TEST_F(GrpcSpoolClientTest, SendsASmallMessageAsOneRequest) {
  FakeNode& node = AddNode("firenze");
  Start(1);
  const Verdict verdict = Send({"Subject: hello\r\n\r\nbody\r\n"});
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_EQ(*verdict, "id-1");
  const auto messages = node.messages();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].requests, 1u);
  EXPECT_EQ(messages[0].content, "Subject: hello\r\n\r\nbody\r\n");
  EXPECT_EQ(messages[0].open.cluster_uuid(), "c-1");
  EXPECT_EQ(messages[0].open.reverse_path(), "ada@example.test");
  EXPECT_EQ(messages[0].open.session_id(), "session-1");
  EXPECT_NE(messages[0].open.token(), 0u);
}

TEST_F(GrpcSpoolClientTest, StreamsALargeMessageInOrder) {
  FakeNode& node = AddNode("firenze");
  Start(1);
  std::vector<std::string> parts;
  std::string whole;
  for (int i = 0; i < 100; ++i) {
    parts.push_back(std::string(256 * 1024, static_cast<char>('a' + i % 26)));
    whole += parts.back();
  }
  const Verdict verdict = Send(std::move(parts));
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  const auto messages = node.messages();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].requests, 100u);
  EXPECT_TRUE(messages[0].content == whole);
}

TEST_F(GrpcSpoolClientTest, GivesEachMessageItsOwnToken) {
  FakeNode& node = AddNode("firenze");
  Start(1);
  ASSERT_TRUE(Send({"a"}).ok());
  ASSERT_TRUE(Send({"b"}).ok());
  const auto messages = node.messages();
  EXPECT_NE(messages[0].open.token(), messages[1].open.token());
}

TEST_F(GrpcSpoolClientTest, RefusesAtOnceWhenNoNodeIsReady) {
  AddNode("firenze").ready = false;
  Start(0);
  EXPECT_FALSE(client_->Ready());
  EXPECT_EQ(Send({"a"}).status().code(), StatusCode::kUnavailable);
}

TEST_F(GrpcSpoolClientTest, FollowsWhatTheNodesSayOfThemselves) {
  FakeNode& node = AddNode("firenze");
  Start(1);
  EXPECT_TRUE(client_->Ready());
  node.ready = false;
  ASSERT_TRUE(loop_.RunUntil([&] { return !client_->Ready(); }));
  EXPECT_NE(log_.find("node firenze-1 is not ready: told so"), std::string::npos) << log_;
  node.ready = true;
  ASSERT_TRUE(loop_.RunUntil([&] { return client_->Ready(); }));
}

TEST_F(GrpcSpoolClientTest, UsesItsOwnRegionInTurnAndAnotherOnlyWithoutIt) {
  FakeNode& near1 = AddNode("firenze");
  FakeNode& far = AddNode("roma");
  FakeNode& near2 = AddNode("firenze");
  Start(3);
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(Send({"a"}).ok());
  EXPECT_EQ(near1.messages().size(), 3u);
  EXPECT_EQ(near2.messages().size(), 3u);
  EXPECT_EQ(far.messages().size(), 0u);
  near1.relay->Refuse(true);
  near2.relay->Refuse(true);
  // The cut is noticed without waiting for a ping; until then a call may fail.
  ASSERT_TRUE(loop_.RunUntil([&] { return Send({"b"}).ok(); }));
  EXPECT_EQ(far.messages().size(), 1u);
}

TEST_F(GrpcSpoolClientTest, TellsARefusalFromAnUnknownVerdictAndAsksNobodyElseAfterTheLastChunk) {
  FakeNode& near = AddNode("firenze");
  FakeNode& far = AddNode("roma");
  Start(2);
  near.verdict = static_cast<int>(StatusCode::kResourceExhausted);
  const Verdict no_room = Send({"a"});
  EXPECT_EQ(no_room.status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(no_room.status().message(), "node firenze-1: as told");
  near.verdict = static_cast<int>(StatusCode::kAborted);  // the node's word: not taken
  ASSERT_TRUE(loop_.RunUntil([&] { return client_->CountNodes().ready == 2; }));
  EXPECT_EQ(Send({"a"}).status().code(), StatusCode::kUnavailable);
  near.verdict = static_cast<int>(StatusCode::kUnavailable);  // might be gRPC's word
  ASSERT_TRUE(loop_.RunUntil([&] { return client_->CountNodes().ready == 2; }));
  EXPECT_EQ(Send({"a"}).status().code(), StatusCode::kUnknown);
  near.verdict = static_cast<int>(StatusCode::kCancelled);
  ASSERT_TRUE(loop_.RunUntil([&] { return client_->CountNodes().ready == 2; }));
  EXPECT_EQ(Send({"a"}).status().code(), StatusCode::kUnknown);
  near.verdict = static_cast<int>(StatusCode::kInternal);
  ASSERT_TRUE(loop_.RunUntil([&] { return client_->CountNodes().ready == 2; }));
  EXPECT_EQ(Send({"a", "b"}).status().code(), StatusCode::kUnknown);
  EXPECT_EQ(far.begun, 0);
}

TEST_F(GrpcSpoolClientTest, TakesAFailedNodeOutOfTheTurnAtOnce) {
  options_.ping_interval = std::chrono::seconds(60);
  FakeNode& near = AddNode("firenze");
  FakeNode& far = AddNode("roma");
  Start(2);
  near.verdict = static_cast<int>(StatusCode::kUnavailable);
  EXPECT_FALSE(Send({"a"}).ok());
  EXPECT_TRUE(Send({"a"}).ok());
  EXPECT_EQ(far.messages().size(), 1u);
}

TEST_F(GrpcSpoolClientTest, CallsTheLossOfANodeAfterTheLastChunkUnknown) {
  FakeNode& near = AddNode("firenze");
  FakeNode& far = AddNode("roma");
  Start(2);
  near.silent = true;
  std::optional<Verdict> verdict;
  asio::co_spawn(loop_.executor(), SendMessage(client_.get(), {"a"}),
                 [&](std::exception_ptr, Verdict v) { verdict = std::move(v); });
  ASSERT_TRUE(loop_.RunUntil([&] { return near.begun == 1; }));
  near.relay->Refuse(true);
  ASSERT_TRUE(loop_.RunUntil([&] { return verdict.has_value(); }));
  EXPECT_EQ(verdict->status().code(), StatusCode::kUnknown);
  EXPECT_EQ(far.begun, 0);
}

TEST_F(GrpcSpoolClientTest, AsksTheSameNodeForAVerdictThatItDidNotHear) {
  options_.resolve_limit = std::chrono::seconds(30);
  FakeNode& near = AddNode("firenze");
  FakeNode& far = AddNode("roma");
  Start(2);
  near.keeps_silently = true;
  std::optional<Verdict> verdict;
  asio::co_spawn(loop_.executor(), SendMessage(client_.get(), {"a"}),
                 [&](std::exception_ptr, Verdict v) { verdict = std::move(v); });
  ASSERT_TRUE(loop_.RunUntil([&] { return near.messages().size() == 1; }));
  near.relay->Refuse(true);
  ASSERT_TRUE(loop_.RunUntil([&] { return client_->CountNodes().ready == 1; }));
  near.relay->Refuse(false);
  ASSERT_TRUE(loop_.RunUntil([&] { return verdict.has_value(); }));
  ASSERT_TRUE(verdict->ok()) << verdict->status();
  EXPECT_EQ(**verdict, "id-1");
  EXPECT_EQ(near.begun, 1);
  EXPECT_EQ(far.begun, 0);
}

TEST_F(GrpcSpoolClientTest, EndsAMessageWhoseNodeDiesInTheMiddle) {
  FakeNode& node = AddNode("firenze");
  AddNode("roma");
  Start(2);
  auto upload = *loop_.Await(client_->Begin(SomeEnvelope(), "s"));
  ASSERT_TRUE((*loop_.Await((*upload)->Write(std::string(1000, 'a')))).ok());
  node.relay->Refuse(true);
  absl::Status status;
  ASSERT_TRUE(loop_.RunUntil([&] {
    status = *loop_.Await((*upload)->Write(std::string(1000, 'b')));
    return !status.ok();
  }));
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status;
  EXPECT_FALSE(loop_.Await((*upload)->Commit("c"))->ok());
}

TEST_F(GrpcSpoolClientTest, TriesAnotherNodeWhileTheFirstChunkIsNotTaken) {
  options_.write_deadline = std::chrono::seconds(5);
  FakeNode& near = AddNode("firenze");
  FakeNode& far = AddNode("roma");
  Start(2);
  near.early_verdict = static_cast<int>(StatusCode::kAborted);
  const Verdict verdict = Send({std::string(900'000, 'a'), "end"});
  if (verdict.ok()) {
    EXPECT_EQ(far.messages().size(), 1u);
    EXPECT_EQ(far.messages()[0].content.size(), 900'003u);
  } else {  // the transport was quicker than the refusal: never another node
    EXPECT_EQ(verdict.status().code(), StatusCode::kUnavailable) << verdict.status();
    EXPECT_EQ(far.begun, 0);
  }
  EXPECT_EQ(near.begun, 1);
}

TEST_F(GrpcSpoolClientTest, GivesUpAtTheVerdictDeadline) {
  options_.verdict_deadline = std::chrono::milliseconds(100);
  FakeNode& node = AddNode("firenze");
  Start(1);
  node.silent = true;
  EXPECT_EQ(Send({"a"}).status().code(), StatusCode::kUnknown);
  ASSERT_TRUE(loop_.RunUntil([&] { return client_->Ready(); }));
  EXPECT_EQ(Send({"a", "b"}).status().code(), StatusCode::kUnknown);
  ASSERT_TRUE(loop_.RunUntil([&] { return node.cancelled == 2; }));
}

TEST_F(GrpcSpoolClientTest, GivesUpWhenTheTransportStalls) {
  options_.write_deadline = std::chrono::milliseconds(200);
  options_.ping_deadline = std::chrono::seconds(60);
  FakeNode& node = AddNode("firenze");
  Start(1);
  node.relay->Freeze(true);
  std::vector<std::string> parts(400, std::string(256 * 1024, 'a'));
  const Verdict verdict = Send(std::move(parts));
  EXPECT_EQ(verdict.status().code(), StatusCode::kUnavailable);
  EXPECT_NE(std::string(verdict.status().message()).find("no answer in time"), std::string::npos);
  node.relay->Freeze(false);
}

TEST_F(GrpcSpoolClientTest, ANodeThatGetsNoMoreAnswersIsOutAfterAPing) {
  options_.ping_deadline = std::chrono::milliseconds(200);
  FakeNode& frozen = AddNode("firenze");
  AddNode("roma");
  Start(2);
  frozen.relay->Freeze(true);
  ASSERT_TRUE(loop_.RunUntil([&] { return client_->CountNodes().ready == 1; }));
  EXPECT_TRUE(Send({"a"}).ok());
  frozen.relay->Freeze(false);
  ASSERT_TRUE(loop_.RunUntil([&] { return client_->CountNodes().ready == 2; }));
}

TEST_F(GrpcSpoolClientTest, AbandonsAnUploadThatIsDestroyed) {
  FakeNode& node = AddNode("firenze");
  Start(1);
  {
    auto upload = *loop_.Await(client_->Begin(SomeEnvelope(), "s"));
    ASSERT_TRUE((*loop_.Await((*upload)->Write("half of it"))).ok());
    ASSERT_TRUE(loop_.RunUntil([&] { return node.begun == 1; }));
  }
  ASSERT_TRUE(loop_.RunUntil([&] { return node.cancelled == 1; }));
  EXPECT_TRUE(node.messages().empty());
}

asio::awaitable<int> SendOrTimeout(asio::awaitable<Verdict> send) {
  using asio::experimental::awaitable_operators::operator||;
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(50));
  auto first = co_await (std::move(send) || timer.async_wait(asio::use_awaitable));
  co_return static_cast<int>(first.index());
}

TEST_F(GrpcSpoolClientTest, CancelsTheCallWithTheCoroutine) {
  FakeNode& node = AddNode("firenze");
  Start(1);
  node.silent = true;
  EXPECT_EQ(loop_.Await(SendOrTimeout(SendMessage(client_.get(), {"a"}))), 1);
  ASSERT_TRUE(loop_.RunUntil([&] { return node.cancelled == 1; }));
  EXPECT_TRUE(client_->Ready());  // that was not the node's fault
}

TEST_F(GrpcSpoolClientTest, FollowsTheSnapshotsMembers) {
  AddNode("firenze");
  Start(1);
  FakeNode& second = AddNode("firenze");
  snapshot_.members.erase(snapshot_.members.begin());
  client_->Update(snapshot_);
  ASSERT_TRUE(loop_.RunUntil([&] { return client_->Ready(); }));
  EXPECT_EQ(client_->CountNodes().members, 1u);
  ASSERT_TRUE(Send({"a"}).ok());
  EXPECT_EQ(second.messages().size(), 1u);
  snapshot_.members[0].address = "192.0.2.1:4000";
  client_->Update(snapshot_);
  EXPECT_NE(log_.find("cannot be used"), std::string::npos);
  EXPECT_FALSE(client_->Ready());
}

TEST_F(GrpcSpoolClientTest, RefusesNewMessagesOnceStopped) {
  AddNode("firenze");
  Start(1);
  client_->Stop();
  EXPECT_FALSE(client_->Ready());
  EXPECT_EQ(Send({"a"}).status().code(), StatusCode::kUnavailable);
  EXPECT_TRUE(loop_.Drain());
}

asio::awaitable<void> SendMany(SpoolClient* client, int* left, int* failed, std::string content) {
  while (*left > 0) {
    --*left;
    std::vector<std::string> parts(1, content);
    Verdict verdict = co_await SendMessage(client, std::move(parts));
    if (!verdict.ok()) ++*failed;
  }
}

TEST_F(GrpcSpoolClientTest, CarriesManyMessagesAtATime) {
  FakeNode& node = AddNode("firenze");
  node.keep = false;
  Start(1);
  int left = 3000, failed = 0, running = 0;
  for (int i = 0; i < 100; ++i) {
    ++running;
    asio::co_spawn(loop_.executor(),
                   SendMany(client_.get(), &left, &failed, std::string(4096, 'x')),
                   [&](std::exception_ptr) { --running; });
  }
  ASSERT_TRUE(loop_.RunUntil([&] { return running == 0; }));
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(node.begun, 3000);
}

}  // namespace
}  // namespace fermo::frontend
