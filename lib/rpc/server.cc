#include "lib/rpc/server.h"

#include <grpc/support/time.h>
#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpc/health/v1/health.pb.h"
#include "lib/base/host_port.h"
#include "lib/rpc/address.h"

namespace fermo::rpc {
namespace {

// Clients ping every 10 s (channel.cc); more often than this is abuse.
constexpr int kMinPingIntervalMillis = 5'000;
constexpr int kKeepaliveMillis = 10'000;
constexpr int kKeepaliveTimeoutMillis = 5'000;
constexpr int kLookaheadBytes = 1 << 20;

// Before the first server is built.
void InstallPlugins() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::channelz::experimental::InitChannelzService();
    // Links the description of the health service, which gRPC's own
    // implementation lacks, so that reflection can describe it.
    (void)grpc::health::v1::HealthCheckRequest::descriptor();
  });
}

void SetArguments(const ServerOptions& options, grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(options.max_receive_bytes);
  // Two processes on one port would share its connections between them.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              kMinPingIntervalMillis);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMillis);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMillis);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kLookaheadBytes);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_streams_per_connection);
}

}  // namespace

struct Server::Impl {
  std::vector<std::string> service_names;
  std::unique_ptr<grpc::Server> server;
  uint16_t port = 0;
  std::string address;

  std::mutex shutdown_mutex;  // held throughout a shutdown
  bool down = false;
  std::thread shutdown_thread;

  void Shutdown(Duration grace) {
    std::lock_guard lock(shutdown_mutex);
    if (std::exchange(down, true)) return;
    if (auto* health = server->GetHealthCheckService()) health->Shutdown();
    server->Shutdown(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                  gpr_time_from_nanos(grace.count(), GPR_TIMESPAN)));
  }
};

namespace {

struct StartShutdown {
  template <class Handler, class Impl>
  void operator()(Handler handler, Impl* impl, Duration grace) const {
    auto executor = boost::asio::get_associated_executor(handler);
    auto work = boost::asio::make_work_guard(executor);
    if (impl->shutdown_thread.joinable()) impl->shutdown_thread.join();
    impl->shutdown_thread = std::thread([=, handler = std::move(handler),
                                         work = std::move(work)]() mutable {
      impl->Shutdown(grace);
      boost::asio::post(executor, [handler = std::move(handler), work = std::move(work)]() mutable {
        work.reset();
        std::move(handler)();
      });
    });
  }
};

}  // namespace

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
  Shutdown(Duration::zero());
  if (impl_->shutdown_thread.joinable()) impl_->shutdown_thread.join();
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options) {
  absl::StatusOr<PlainAddress> address = ParsePlainAddress(options.listen, options.insecure);
  if (!address.ok()) return address.status();
  InstallPlugins();

  auto impl = std::make_unique<Impl>();
  grpc::ServerBuilder builder;
  int port = 0;
  // Without a scheme: to a server "ipv4:..." is a host name. It is an IP
  // literal, so nothing is resolved.
  builder.AddListeningPort(address->text, grpc::InsecureServerCredentials(), &port);
  SetArguments(options, &builder);
  for (const ServedService& service : options.services) {
    builder.RegisterService(service.service);
    impl->service_names.push_back(service.name);
  }
  impl->server = builder.BuildAndStart();
  if (!impl->server || port == 0) {
    impl->server.reset();
    return absl::UnavailableError(absl::StrCat("cannot listen on ", address->text,
                                               ": the port is taken or the address is not ours"));
  }
  HostPort bound = *ParseHostPort(address->text);
  bound.port = static_cast<uint16_t>(port);
  impl->port = bound.port;
  impl->address = ToString(bound);
  auto server = std::unique_ptr<Server>(new Server(std::move(impl)));
  server->SetServing(false);
  return server;
}

uint16_t Server::port() const { return impl_->port; }
const std::string& Server::address() const { return impl_->address; }

void Server::SetServing(bool serving) {
  auto* health = impl_->server->GetHealthCheckService();
  if (health == nullptr) return;
  health->SetServingStatus("", serving);
  for (const std::string& name : impl_->service_names) health->SetServingStatus(name, serving);
}

void Server::Shutdown(Duration grace) { impl_->Shutdown(grace); }

boost::asio::awaitable<void> Server::AsyncShutdown(Duration grace) {
  return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(
      StartShutdown(), boost::asio::use_awaitable, impl_.get(), grace);
}

}  // namespace fermo::rpc
