// How a coordinator or a node tells another that it is evicted: by a status that
// names it. Other refusals of the same code, a proxy's perhaps, must not make a
// node give itself up for ever.
//
// Pure; no failure.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/ids.h"

namespace fermo::rpc {

inline absl::Status EvictedError(NodeId node) {
  return absl::PermissionDeniedError(
      absl::StrCat("node ", ToString(node), " has been evicted and can never come back under this ",
                   "identity; give it a new data directory"));
}

inline bool SaysEvicted(const absl::Status& status, NodeId node) {
  return absl::IsPermissionDenied(status) && absl::StrContains(status.message(), ToString(node)) &&
         absl::StrContains(status.message(), "has been evicted");
}

}  // namespace fermo::rpc
