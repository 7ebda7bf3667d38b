// Page tokens: where a listing goes on. Opaque to clients, and bound to the
// listing that they come from.
//
// Pure. Failure: InvalidArgument for a token that is not from this listing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "lib/base/ids.h"

namespace fermo::coordinator {

inline constexpr uint32_t kDefaultPage = 100;
inline constexpr uint32_t kMaxPage = 1000;
// 0 is the default; more than the most is the most.
uint32_t PageSize(uint32_t asked);

// The listing of domains goes on after this name.
std::string EncodeDomainToken(std::string_view after);
absl::StatusOr<std::string> DecodeDomainToken(std::string_view token);  // empty: from the start

// The listing of the queue goes on with this node, after this message id.
struct QueueCursor {
  NodeId node;
  std::string after;  // empty: from the node's first message
  bool operator==(const QueueCursor&) const = default;
};
std::string EncodeQueueToken(std::string_view domain, const QueueCursor& cursor);
// nullopt: from the start. `domain`: the filter of this call, which must be
// that of the call the token comes from.
absl::StatusOr<std::optional<QueueCursor>> DecodeQueueToken(std::string_view token,
                                                            std::string_view domain);

}  // namespace fermo::coordinator
