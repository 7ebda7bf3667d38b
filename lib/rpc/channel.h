// Makes client channels with the settings that all our processes share:
// keepalive for wide-area links, no retries (every sender resends by id),
// quick reconnection, bounded message size, no proxy, no DNS.
//
// Channels are shared and may be used from any thread; gRPC connects and
// reconnects by itself. Dial never touches the network; it fails only for an
// address or an option that this version refuses.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "lib/base/time.h"

namespace grpc {
class Channel;
class ClientContext;
}  // namespace grpc

namespace fermo::rpc {

inline constexpr int kMaxFrameBytes = 1 << 20;       // between nodes and frontends
inline constexpr int kMaxOperationsBytes = 4 << 20;  // operators' answers
inline constexpr int kMaxSnapshotBytes = 64 << 20;   // the whole configuration

struct ChannelOptions {
  // Plaintext. Required in this version, and refused for any address that is
  // not loopback.
  bool insecure = false;
  // A TCP connection of its own, shared with no other channel to the same
  // address, so that control never queues behind data.
  bool own_connection = false;
  int max_receive_bytes = kMaxFrameBytes;
};

// `address` is HOST:PORT with an IP literal ([IPv6]:PORT) or `localhost`, which
// is taken as 127.0.0.1. InvalidArgument: not an address; FailedPrecondition:
// not allowed in this version, with the reason in words for the user.
absl::StatusOr<std::shared_ptr<grpc::Channel>> Dial(const std::string& address,
                                                    const ChannelOptions& options);

// What Dial and Server check, for --check-config: OK, or why `address` cannot
// be used with this `insecure`.
absl::Status CheckAddress(const std::string& address, bool insecure);

// Gives a call this long from now, on the monotonic clock.
void SetDeadline(grpc::ClientContext* context, Duration deadline);

// For main: gRPC's own lines on stderr are not in the form of our log, and what
// they say comes back as a status.
void SilenceGrpcLog();

}  // namespace fermo::rpc
