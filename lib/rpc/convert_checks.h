// Small checks that the converters share. Internal to lib/rpc.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace fermo::rpc {

// InvalidArgument "field: problem".
absl::Status Bad(std::string_view field, std::string_view problem);
bool HasControls(std::string_view text);
// At most `max_octets` and no control characters.
absl::Status CheckText(std::string_view field, std::string_view text, size_t max_octets);
// Printable ASCII, at most spool::kMaxReplyOctets.
std::string CleanReply(std::string_view reply);

}  // namespace fermo::rpc
