// Which addresses gRPC may use in this version. Internal to lib/rpc.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace fermo::rpc {

struct PlainAddress {
  std::string text;    // 127.0.0.1:4000, [::1]:4000
  std::string target;  // as gRPC names it, without DNS: ipv4:127.0.0.1:4000
};

// As Dial in channel.h.
absl::StatusOr<PlainAddress> ParsePlainAddress(const std::string& address, bool insecure);

}  // namespace fermo::rpc
