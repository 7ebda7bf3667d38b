#include "lib/rpc/channel.h"

#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "absl/strings/str_cat.h"
#include "lib/base/host_port.h"
#include "lib/rpc/address.h"

namespace fermo::rpc {
namespace {

// A peer that is silent for so long, pinged in vain, is taken for dead.
constexpr int kKeepaliveMillis = 10'000;
constexpr int kKeepaliveTimeoutMillis = 5'000;
// A primary's recovery must not wait for our own reconnection.
constexpr int kFirstBackoffMillis = 100;
constexpr int kMaxBackoffMillis = 1'000;
constexpr int kConnectTimeoutMillis = 2'000;
// Lets a sender of a distant region have several frames on the way.
constexpr int kLookaheadBytes = 1 << 20;

grpc::ChannelArguments MakeArguments(const ChannelOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMillis);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMillis);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstBackoffMillis);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxBackoffMillis);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMillis);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kLookaheadBytes);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, options.own_connection ? 1 : 0);
  arguments.SetMaxReceiveMessageSize(options.max_receive_bytes);
  return arguments;
}

}  // namespace

absl::StatusOr<PlainAddress> ParsePlainAddress(const std::string& address, bool insecure) {
  absl::StatusOr<HostPort> place = ParseHostPort(address);
  if (!place.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", address, "\": ", place.status().message()));
  }
  if (place->host == "localhost") place->host = "127.0.0.1";
  if (!IsIpLiteral(place->host)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", address, "\": not an IP address; names are not looked up here"));
  }
  if (!IsLoopback(place->host)) {
    return absl::FailedPreconditionError(
        absl::StrCat("\"", address, "\": this version speaks plaintext gRPC, which is allowed on ",
                     "loopback addresses only (127.0.0.0/8, [::1])"));
  }
  if (!insecure) {
    return absl::FailedPreconditionError(
        absl::StrCat("\"", address, "\": this version needs `insecure: true` (--insecure), which ",
                     "allows plaintext gRPC on loopback addresses"));
  }
  PlainAddress result;
  result.text = ToString(*place);
  result.target =
      absl::StrCat(place->host.find(':') == std::string::npos ? "ipv4:" : "ipv6:", result.text);
  return result;
}

absl::Status CheckAddress(const std::string& address, bool insecure) {
  return ParsePlainAddress(address, insecure).status();
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Dial(const std::string& address,
                                                    const ChannelOptions& options) {
  absl::StatusOr<PlainAddress> plain = ParsePlainAddress(address, options.insecure);
  if (!plain.ok()) return plain.status();
  return grpc::CreateCustomChannel(plain->target, grpc::InsecureChannelCredentials(),
                                   MakeArguments(options));
}

void SetDeadline(grpc::ClientContext* context, Duration deadline) {
  context->set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                     gpr_time_from_nanos(deadline.count(), GPR_TIMESPAN)));
}

void SilenceGrpcLog() {
  gpr_set_log_function([](gpr_log_func_args*) {});
}

}  // namespace fermo::rpc
