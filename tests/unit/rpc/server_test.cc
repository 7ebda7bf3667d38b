// Servers, channels and unary calls on loopback.
#include "lib/rpc/server.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <future>
#include <stdexcept>
#include <thread>

#include "fermoposta/v1/spool.grpc.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "lib/rpc/unary.h"
#include "lib/rpc/unary_service.h"
#include "tests/unit/rpc/tcp_relay.h"
#include "tests/unit/rpc/test_loop.h"

namespace fermo::rpc {
namespace {

namespace asio = boost::asio;
namespace v1 = ::fermoposta::v1;
using testing::HasSubstr;
using Async = v1::Spool::StubInterface::async_interface;
using Answer = absl::StatusOr<v1::PingResponse>;

// Answers on the executor: "plain", "coroutine", "refuse", "throw", or never
// ("hang", until the server shuts down).
class PingService final : public v1::Spool::CallbackService {
 public:
  explicit PingService(asio::any_io_executor executor) : executor_(std::move(executor)) {}
  std::thread::id ran_on;

  grpc::ServerUnaryReactor* Ping(grpc::CallbackServerContext* context,
                                 const v1::PingRequest* request,
                                 v1::PingResponse* response) override {
    const std::string& what = request->cluster_uuid();
    if (what == "hang") return new Hanging();
    if (what == "coroutine") {
      return Serve(context, executor_, [this, response] { return Slowly(executor_, response); });
    }
    return Serve(context, executor_,
                 [this, request, response] { return Plain(request, response); });
  }

 private:
  struct Hanging final : grpc::ServerUnaryReactor {
    void OnCancel() override { Finish(grpc::Status::CANCELLED); }
    void OnDone() override { delete this; }
  };
  absl::Status Plain(const v1::PingRequest* request, v1::PingResponse* response) {
    ran_on = std::this_thread::get_id();
    if (request->cluster_uuid() == "throw") throw std::runtime_error("a bug");
    if (request->cluster_uuid() == "refuse") return absl::ResourceExhaustedError("no room");
    response->set_ready(true);
    return absl::OkStatus();
  }
  static asio::awaitable<absl::Status> Slowly(asio::any_io_executor executor,
                                              v1::PingResponse* response) {
    asio::steady_timer timer(executor, std::chrono::milliseconds(5));
    co_await timer.async_wait(asio::use_awaitable);
    response->set_reason("after a while");
    co_return absl::OkStatus();
  }
  asio::any_io_executor executor_;
};

class Unary : public testing::Test {
 protected:
  Unary() : service_(loop_.executor()) {
    ServerOptions options;
    options.listen = "127.0.0.1:0";
    options.insecure = true;
    options.services = {{v1::Spool::service_full_name(), &service_}};
    server_ = *Server::Start(std::move(options));
    stub_ = v1::Spool::NewStub(Channel(server_->address()));
  }
  static std::shared_ptr<grpc::Channel> Channel(const std::string& address) {
    ChannelOptions options;
    options.insecure = true;
    options.own_connection = true;
    return *Dial(address, options);
  }
  static asio::awaitable<Answer> Ping(v1::Spool::Stub* stub, std::string what, Duration deadline) {
    v1::PingRequest request;
    request.set_cluster_uuid(what);
    return Call(stub->async(), &Async::Ping, std::move(request), deadline);
  }
  Answer Ask(std::string what, Duration deadline = std::chrono::seconds(5)) {
    return *loop_.Await(Ping(stub_.get(), std::move(what), deadline));
  }

  TestLoop loop_;
  PingService service_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<v1::Spool::Stub> stub_;
};

TEST_F(Unary, BringsTheAnswerToTheCallersExecutor) {
  const Answer answer = Ask("plain");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_TRUE(answer->ready());
  EXPECT_EQ(service_.ran_on, std::this_thread::get_id());  // the loop is run by this thread
}

TEST_F(Unary, ServesByCoroutinesToo) {
  const Answer answer = Ask("coroutine");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->reason(), "after a while");
}

TEST_F(Unary, BringsTheServersRefusalWithItsCode) {
  EXPECT_EQ(Ask("refuse").status(), absl::ResourceExhaustedError("no room"));
}

TEST_F(Unary, MakesAnExceptionOfTheHandlerAnInternalError) {
  EXPECT_EQ(Ask("throw").status(), absl::InternalError("a bug"));
}

TEST_F(Unary, EndsAtItsDeadline) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(Ask("hang", std::chrono::milliseconds(60)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took, std::chrono::milliseconds(50));
  EXPECT_LT(took, std::chrono::seconds(3));
}

asio::awaitable<int> PingOrTimeout(asio::awaitable<Answer> ping) {
  using asio::experimental::awaitable_operators::operator||;
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(20));
  auto first = co_await (std::move(ping) || timer.async_wait(asio::use_awaitable));
  co_return static_cast<int>(first.index());
}

TEST_F(Unary, CanBeCancelledByItsCoroutine) {
  auto ping = Ping(stub_.get(), "hang", std::chrono::seconds(60));
  EXPECT_EQ(loop_.Await(PingOrTimeout(std::move(ping))), 1);
  EXPECT_TRUE(loop_.Drain());
}

TEST_F(Unary, SaysUnavailableWhenTheConnectionIsLostOrRefused) {
  TcpRelay relay(server_->port());
  auto stub = v1::Spool::NewStub(Channel(relay.address()));
  std::optional<Answer> hanging;
  asio::co_spawn(loop_.executor(), Ping(stub.get(), "hang", std::chrono::seconds(60)),
                 [&](std::exception_ptr, Answer answer) { hanging = std::move(answer); });
  ASSERT_TRUE(loop_.Await(Ping(stub.get(), "plain", std::chrono::seconds(5)))->ok());
  relay.Refuse(true);
  ASSERT_TRUE(loop_.RunUntil([&] { return hanging.has_value(); }));
  EXPECT_EQ(hanging->status().code(), absl::StatusCode::kUnavailable);
  const auto refused = *loop_.Await(Ping(stub.get(), "plain", std::chrono::seconds(5)));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  // And comes back by itself soon after the server does.
  relay.Refuse(false);
  const auto start = std::chrono::steady_clock::now();
  while (!loop_.Await(Ping(stub.get(), "plain", std::chrono::seconds(5)))->ok()) {
    ASSERT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  }
}

TEST_F(Unary, IsEndedByTheServersShutdown) {
  std::optional<Answer> hanging;
  asio::co_spawn(loop_.executor(), Ping(stub_.get(), "hang", std::chrono::seconds(60)),
                 [&](std::exception_ptr, Answer answer) { hanging = std::move(answer); });
  ASSERT_TRUE(Ask("plain").ok());
  asio::co_spawn(loop_.executor(), server_->AsyncShutdown(std::chrono::milliseconds(50)),
                 [](std::exception_ptr) {});
  ASSERT_TRUE(loop_.Drain());
  ASSERT_TRUE(hanging.has_value());
  EXPECT_FALSE(hanging->ok());
  server_->Shutdown(Duration::zero());  // again: nothing to do
}

// What grpc.health.v1 says, asked by the generic client.
std::string Health(const std::string& address, const std::string& service) {
  using Request = grpc::health::v1::HealthCheckRequest;
  using Response = grpc::health::v1::HealthCheckResponse;
  ChannelOptions options;
  options.insecure = true;
  grpc::TemplatedGenericStub<Request, Response> stub(*Dial(address, options));
  grpc::ClientContext context;
  SetDeadline(&context, std::chrono::seconds(5));
  Request request;
  request.set_service(service);
  Response response;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", grpc::StubOptions(), &request, &response,
                 [&](grpc::Status status) { done.set_value(status); });
  const grpc::Status status = done.get_future().get();
  if (!status.ok()) return status.error_message();
  return Response::ServingStatus_Name(response.status());
}

TEST_F(Unary, ServesHealthForEachServiceAndForAll) {
  EXPECT_EQ(Health(server_->address(), ""), "NOT_SERVING");
  EXPECT_EQ(Health(server_->address(), "fermoposta.v1.Spool"), "NOT_SERVING");
  server_->SetServing(true);
  EXPECT_EQ(Health(server_->address(), ""), "SERVING");
  EXPECT_EQ(Health(server_->address(), "fermoposta.v1.Spool"), "SERVING");
  EXPECT_THAT(Health(server_->address(), "fermoposta.v1.Nobody"), HasSubstr("unknown"));
  server_->SetServing(false);
  EXPECT_EQ(Health(server_->address(), ""), "NOT_SERVING");
}

TEST_F(Unary, RefusesAPortThatIsTaken) {
  ServerOptions options;
  options.listen = server_->address();
  options.insecure = true;
  const auto second = Server::Start(std::move(options));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(server_->address()));
}

TEST(Addresses, ArePlaintextOnLoopbackAndNothingElse) {
  EXPECT_TRUE(CheckAddress("127.0.0.1:4000", true).ok());
  EXPECT_TRUE(CheckAddress("127.9.9.9:4000", true).ok());
  EXPECT_TRUE(CheckAddress("[::1]:4000", true).ok());
  EXPECT_TRUE(CheckAddress("localhost:4000", true).ok());
  const auto secure = CheckAddress("127.0.0.1:4000", false);
  EXPECT_EQ(secure.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(secure.message()), HasSubstr("insecure: true"));
  const auto remote = CheckAddress("192.0.2.1:4000", true);
  EXPECT_EQ(remote.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(remote.message()), HasSubstr("loopback"));
  EXPECT_EQ(CheckAddress("0.0.0.0:4000", true).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(CheckAddress("node.example.test:4000", true).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckAddress("127.0.0.1", true).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(Dial("127.0.0.1:4000", ChannelOptions()).ok());
}

}  // namespace
}  // namespace fermo::rpc
