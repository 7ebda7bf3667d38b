// Streams between a real client and a real server on loopback.
#include "lib/rpc/bidi_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <thread>

#include "fermoposta/v1/replication.grpc.pb.h"
#include "lib/base/random.h"
#include "lib/rpc/server.h"
#include "tests/unit/rpc/tcp_relay.h"
#include "tests/unit/rpc/test_loop.h"

namespace fermo::rpc {
namespace {

namespace v1 = ::fermoposta::v1;
using Frame = v1::DataFrame;
using Client = ClientStream<Frame, Frame>;
using Accepted = ServerStream<Frame, Frame>;

// A chunk numbered `index`, of `size` octets that depend on it.
v1::DataMessage Message(uint32_t index, size_t size) {
  v1::DataMessage message;
  message.mutable_chunk()->set_index(index);
  message.mutable_chunk()->set_bytes(std::string(size, static_cast<char>('a' + index % 26)));
  return message;
}

// One side of a stream as an owner would write it: messages wait in a queue,
// and a frame takes all that are there, up to 256 KiB.
struct Owner {
  std::deque<v1::DataMessage> queue;
  std::vector<uint32_t> received;  // indexes
  size_t received_bytes = 0;
  size_t frames_sent = 0;
  size_t frames_received = 0;
  std::vector<absl::Status> closed;
  std::function<void()> after_frame;

  StreamCallbacks<Frame, Frame> Callbacks() {
    StreamCallbacks<Frame, Frame> callbacks;
    callbacks.next_frame = [this] { return Next(); };
    callbacks.on_frame = [this](Frame frame) { Receive(std::move(frame)); };
    callbacks.on_closed = [this](absl::Status status) { closed.push_back(std::move(status)); };
    return callbacks;
  }
  std::optional<Frame> Next() {
    if (queue.empty()) return std::nullopt;
    Frame frame;
    size_t bytes = 0;
    while (!queue.empty() && bytes < 256 * 1024) {
      bytes += queue.front().chunk().bytes().size();
      *frame.add_messages() = std::move(queue.front());
      queue.pop_front();
    }
    ++frames_sent;
    return frame;
  }
  void Receive(Frame frame) {
    ++frames_received;
    for (const v1::DataMessage& message : frame.messages()) {
      const auto& chunk = message.chunk();
      received.push_back(chunk.index());
      received_bytes += chunk.bytes().size();
      ASSERT_EQ(chunk.bytes().find_first_not_of(static_cast<char>('a' + chunk.index() % 26)),
                std::string::npos);
    }
    if (after_frame) after_frame();
  }
};

bool Ascending(const std::vector<uint32_t>& indexes) {
  for (size_t i = 0; i < indexes.size(); ++i) {
    if (indexes[i] != i) return false;
  }
  return true;
}

// Hands accepted streams to the test.
class Service final : public v1::Replication::CallbackService {
 public:
  explicit Service(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}
  std::function<void(std::unique_ptr<Accepted>)> on_accepted;

  grpc::ServerBidiReactor<Frame, Frame>* Data(grpc::CallbackServerContext* context) override {
    return Accepted::Accept(context, executor_, [this](std::unique_ptr<Accepted> stream) {
      on_accepted(std::move(stream));
    });
  }

 private:
  boost::asio::any_io_executor executor_;
};

class BidiStream : public testing::Test {
 protected:
  BidiStream() : service_(loop_.executor()) {
    service_.on_accepted = [this](std::unique_ptr<Accepted> stream) {
      accepted_ = std::move(stream);
      if (start_accepted_) accepted_->Start(server_.Callbacks());
    };
    ServerOptions options;
    options.listen = "127.0.0.1:0";
    options.insecure = true;
    options.services = {{v1::Replication::service_full_name(), &service_}};
    grpc_ = *Server::Start(std::move(options));
    relay_ = std::make_unique<TcpRelay>(grpc_->port());
  }
  ~BidiStream() override {
    stream_.reset();
    accepted_.reset();
    EXPECT_TRUE(loop_.Drain());  // nothing is held by a lost call
    ShutDownServer();
  }

  Client::Opener Opener() {
    ChannelOptions options;
    options.insecure = true;
    options.own_connection = true;
    std::shared_ptr<v1::Replication::Stub> stub =
        v1::Replication::NewStub(*Dial(relay_->address(), options));
    return [stub](auto* context, auto* reactor) { stub->async()->Data(context, reactor); };
  }
  void Open() {
    stream_ = std::make_unique<Client>(loop_.executor(), Opener(), client_.Callbacks());
  }
  // Opens, and waits until the server has the stream.
  void OpenBoth() {
    Open();
    ASSERT_TRUE(loop_.RunUntil([this] { return accepted_ != nullptr; }));
  }
  void ShutDownServer() {
    if (!grpc_) return;
    // Streams finish on the executor, so it has to run meanwhile.
    std::thread thread([this] { grpc_->Shutdown(Duration::zero()); });
    loop_.Drain();
    thread.join();
    grpc_.reset();
  }

  TestLoop loop_;
  Service service_;
  std::unique_ptr<Server> grpc_;
  std::unique_ptr<TcpRelay> relay_;
  bool start_accepted_ = true;
  Owner client_, server_;
  std::unique_ptr<Client> stream_;
  std::unique_ptr<Accepted> accepted_;
};

TEST_F(BidiStream, CarriesThousandsOfFramesBothWaysInOrder) {
  constexpr uint32_t kMessages = 4000;
  OpenBoth();
  // Every frame that arrives lets a few more messages go, so that frames stay small.
  uint32_t to_server = 0, to_client = 0;
  const auto feed = [](Owner& owner, uint32_t& next, auto& stream) {
    for (int i = 0; i < 3 && next < kMessages; ++i) {
      const size_t size = next % 100 == 0 ? 100'000 : next % 700;
      owner.queue.push_back(Message(next++, size));
      stream.Notify();
    }
  };
  const auto feed_both = [&] {
    feed(client_, to_server, *stream_);
    feed(server_, to_client, *accepted_);
  };
  server_.after_frame = client_.after_frame = feed_both;
  feed_both();
  ASSERT_TRUE(loop_.RunUntil([&] {
    return server_.received.size() == kMessages && client_.received.size() == kMessages;
  }));
  EXPECT_TRUE(Ascending(server_.received));
  EXPECT_TRUE(Ascending(client_.received));
  EXPECT_GT(server_.frames_received, 300u);
  EXPECT_TRUE(client_.closed.empty());
  EXPECT_TRUE(server_.closed.empty());
}

TEST_F(BidiStream, PutsWhatHasGatheredIntoOneFrame) {
  OpenBoth();
  for (uint32_t i = 0; i < 500; ++i) {
    client_.queue.push_back(Message(i, 100));
    stream_->Notify();
  }
  ASSERT_TRUE(loop_.RunUntil([&] { return server_.received.size() == 500; }));
  EXPECT_EQ(client_.frames_sent, 1u);
}

TEST_F(BidiStream, HoldsTheSenderBackWhileTheReceiverDoesNotHandleFrames) {
  start_accepted_ = false;
  OpenBoth();
  constexpr uint32_t kMessages = 400;  // 100 MB
  for (uint32_t i = 0; i < kMessages; ++i) client_.queue.push_back(Message(i, 256 * 1024));
  stream_->Notify();
  size_t sent = 0;
  // Until nothing moves any more.
  while (loop_.RunFor(std::chrono::milliseconds(500), [&] { return client_.frames_sent > sent; })) {
    sent = client_.frames_sent;
  }
  EXPECT_LT(sent, 100u);
  EXPECT_TRUE(stream_->Writing());
  accepted_->Start(server_.Callbacks());
  ASSERT_TRUE(loop_.RunUntil([&] { return server_.received.size() == kMessages; }));
  EXPECT_TRUE(Ascending(server_.received));
}

TEST_F(BidiStream, TellsBothSidesOnceWhenTheLineIsCut) {
  OpenBoth();
  for (uint32_t i = 0; i < 100; ++i) client_.queue.push_back(Message(i, 256 * 1024));
  stream_->Notify();
  ASSERT_TRUE(loop_.RunUntil([&] { return server_.frames_received > 5; }));
  relay_->Cut();
  ASSERT_TRUE(loop_.RunUntil([&] { return !client_.closed.empty() && !server_.closed.empty(); }));
  EXPECT_EQ(client_.closed[0].code(), absl::StatusCode::kUnavailable) << client_.closed[0];
  EXPECT_EQ(server_.closed[0].code(), absl::StatusCode::kCancelled) << server_.closed[0];
  EXPECT_TRUE(Ascending(server_.received));
  stream_->Notify();
  stream_->Close();
  stream_->Cancel();
  accepted_->Notify();
  accepted_->Close();
  EXPECT_TRUE(loop_.Drain());
  EXPECT_EQ(client_.closed.size(), 1u);
  EXPECT_EQ(server_.closed.size(), 1u);
}

TEST_F(BidiStream, EndsAtOnceWhenCancelledInTheMiddleOfAWrite) {
  start_accepted_ = false;  // nobody reads: the write stays outstanding
  OpenBoth();
  for (uint32_t i = 0; i < 400; ++i) client_.queue.push_back(Message(i, 256 * 1024));
  stream_->Notify();
  ASSERT_TRUE(loop_.RunUntil([&] { return stream_->Writing(); }));
  stream_->Cancel();
  ASSERT_TRUE(loop_.RunUntil([&] { return !client_.closed.empty(); }));
  EXPECT_EQ(client_.closed[0].code(), absl::StatusCode::kCancelled);
  // The server's half was never started, and learns it when it is.
  EXPECT_TRUE(loop_.Drain());
  accepted_->Start(server_.Callbacks());
  ASSERT_TRUE(loop_.RunUntil([&] { return !server_.closed.empty(); }));
  EXPECT_EQ(server_.closed[0].code(), absl::StatusCode::kCancelled);
}

TEST_F(BidiStream, EndsWellWhenTheClientCloses) {
  OpenBoth();
  client_.queue.push_back(Message(0, 10));
  stream_->Notify();
  ASSERT_TRUE(loop_.RunUntil([&] { return server_.received.size() == 1; }));
  stream_->Close();
  ASSERT_TRUE(loop_.RunUntil([&] { return !client_.closed.empty() && !server_.closed.empty(); }));
  EXPECT_TRUE(client_.closed[0].ok()) << client_.closed[0];
  EXPECT_TRUE(server_.closed[0].ok()) << server_.closed[0];
}

TEST_F(BidiStream, CarriesTheServersReasonToTheClient) {
  OpenBoth();
  accepted_->Close(absl::FailedPreconditionError("another cluster"));
  ASSERT_TRUE(loop_.RunUntil([&] { return !client_.closed.empty() && !server_.closed.empty(); }));
  EXPECT_EQ(client_.closed[0], absl::FailedPreconditionError("another cluster"));
  EXPECT_EQ(server_.closed[0], absl::FailedPreconditionError("another cluster"));
}

TEST_F(BidiStream, RefusesACallThatTheServiceDrops) {
  service_.on_accepted = [](std::unique_ptr<Accepted> stream) { stream.reset(); };
  Open();
  ASSERT_TRUE(loop_.RunUntil([&] { return !client_.closed.empty(); }));
  EXPECT_EQ(client_.closed[0].code(), absl::StatusCode::kUnavailable);
}

TEST_F(BidiStream, SaysUnavailableWhenNobodyListens) {
  relay_->Refuse(true);
  Open();
  ASSERT_TRUE(loop_.RunUntil([&] { return !client_.closed.empty(); }));
  EXPECT_EQ(client_.closed[0].code(), absl::StatusCode::kUnavailable);
}

TEST_F(BidiStream, MayBeDestroyedInsideACallback) {
  OpenBoth();
  for (uint32_t i = 0; i < 50; ++i) server_.queue.push_back(Message(i, 256 * 1024));
  client_.after_frame = [&] {
    if (client_.frames_received == 3) stream_.reset();
  };
  accepted_->Notify();
  ASSERT_TRUE(loop_.RunUntil([&] { return !server_.closed.empty(); }));
  EXPECT_EQ(client_.frames_received, 3u);
  EXPECT_TRUE(client_.closed.empty());
}

TEST_F(BidiStream, LetsTheServerShutDownWhileStreamsAreOpen) {
  OpenBoth();
  for (uint32_t i = 0; i < 40; ++i) client_.queue.push_back(Message(i, 256 * 1024));
  stream_->Notify();
  ASSERT_TRUE(loop_.RunUntil([&] { return server_.frames_received > 2; }));
  std::thread thread([this] { grpc_->Shutdown(Duration::zero()); });
  EXPECT_TRUE(loop_.RunUntil([&] { return !client_.closed.empty() && !server_.closed.empty(); }));
  thread.join();
  EXPECT_FALSE(client_.closed[0].ok());
  EXPECT_FALSE(server_.closed[0].ok());
}

// Streams opened, used, cut, closed and dropped at random, many at a time.
TEST_F(BidiStream, SurvivesAStorm) {
  struct Side {
    Owner owner;
    std::unique_ptr<Client> client;
    std::unique_ptr<Accepted> server;
  };
  Rng rng(20240501);
  std::vector<std::unique_ptr<Side>> sides;
  service_.on_accepted = [&](std::unique_ptr<Accepted> stream) {
    auto side = std::make_unique<Side>();
    side->server = std::move(stream);
    side->server->Start(side->owner.Callbacks());
    sides.push_back(std::move(side));
  };
  const auto opener = Opener();
  for (int round = 0; round < 1500; ++round) {
    if (rng.Uniform(4) == 0) {
      auto side = std::make_unique<Side>();
      side->client = std::make_unique<Client>(loop_.executor(), opener, side->owner.Callbacks());
      sides.push_back(std::move(side));
    }
    if (round % 300 == 299) relay_->Cut();
    if (!sides.empty()) {
      Side& side = *sides[rng.Uniform(sides.size())];
      switch (rng.Uniform(6)) {
        case 0:
          if (side.client) side.client->Close();
          if (side.server) side.server->Close();
          break;
        case 1:
          if (side.client) side.client->Cancel();
          break;
        case 2:
          side.client.reset();
          side.server.reset();
          break;
        default:
          for (int i = 0; i < 5; ++i) side.owner.queue.push_back(Message(i, rng.Uniform(90'000)));
          if (side.client) side.client->Notify();
          if (side.server) side.server->Notify();
      }
    }
    const auto until = std::chrono::microseconds(rng.Uniform(1500));
    loop_.RunFor(until, [] { return false; });
  }
  for (const auto& side : sides) {
    side->client.reset();
    side->server.reset();
    EXPECT_LE(side->owner.closed.size(), 1u);
  }
  // Streams that were still on their way are taken and dropped now.
  EXPECT_TRUE(loop_.Drain());
  sides.clear();
  EXPECT_TRUE(loop_.Drain());
}

}  // namespace
}  // namespace fermo::rpc
