#include "ctl/session_client.h"

#include <grpcpp/channel.h>

#include <algorithm>
#include <ostream>

#include "fmt/format.h"
#include "lib/base/units.h"
#include "lib/rpc/channel.h"

namespace fermo::ctl {
namespace {

// How long one coordinator of several may take to accept the connection.
constexpr Duration kConnectLimit = std::chrono::seconds(3);
// Merged pages of several nodes are larger than what one process sends another.
constexpr int kMaxResponseBytes = 4 * rpc::kMaxOperationsBytes;

}  // namespace

absl::Status Session::TryConnect(const std::string& address, Duration limit) {
  rpc::ChannelOptions channel_options;
  channel_options.insecure = options_.insecure;
  channel_options.max_receive_bytes = kMaxResponseBytes;
  auto channel = rpc::Dial(address, channel_options);
  if (!channel.ok()) {
    return absl::InvalidArgumentError(std::string(channel.status().message()));
  }
  const auto deadline = std::chrono::system_clock::now() + limit;
  grpc_connectivity_state state = (*channel)->GetState(/*try_to_connect=*/true);
  while (state == GRPC_CHANNEL_IDLE || state == GRPC_CHANNEL_CONNECTING) {
    if (!(*channel)->WaitForStateChange(state, deadline)) {
      return absl::UnavailableError(
          fmt::format("{} does not answer within {}", address, FormatDuration(limit)));
    }
    state = (*channel)->GetState(true);
  }
  if (state != GRPC_CHANNEL_READY) {
    return absl::UnavailableError(fmt::format("{} refuses the connection", address));
  }
  stub_ = fermoposta::v1::Operations::NewStub(*channel);
  address_ = address;
  return absl::OkStatus();
}

absl::Status Session::Connect() {
  const bool several = options_.coordinators.size() > 1;
  const Duration limit = several ? std::min(kConnectLimit, options_.timeout) : options_.timeout;
  std::vector<std::string> problems;
  for (const std::string& address : options_.coordinators) {
    absl::Status status = TryConnect(address, limit);
    if (!absl::IsUnavailable(status)) return status;
    problems.emplace_back(status.message());
  }
  return absl::UnavailableError(
      fmt::format("no coordinator can be reached: {}; name a running one with --coordinator "
                  "HOST:PORT or in FERMOCTL_COORDINATOR",
                  fmt::join(problems, "; ")));
}

void Session::SetDeadline(grpc::ClientContext* context) const {
  context->set_deadline(std::chrono::system_clock::now() + options_.timeout);
}

absl::Status Session::Explain(absl::Status status) const {
  if (!absl::IsDeadlineExceeded(status)) return status;
  return absl::DeadlineExceededError(
      fmt::format("the coordinator at {} has not answered within {}; a change may have been made "
                  "all the same: look before you repeat it, or allow more with --timeout",
                  address_, FormatDuration(options_.timeout)));
}

void Session::Warn(const std::string& text) { err_ << "fermoctl: warning: " << text << "\n"; }

}  // namespace fermo::ctl
