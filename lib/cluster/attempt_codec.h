// How an announcement is written down (unsynced), so that it outlives the
// process that heard it.
//
// Pure; damage is DataLoss.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "lib/base/ids.h"
#include "lib/cluster/replica_types.h"

namespace fermo::cluster {

inline constexpr std::string_view kAttemptPrefix = "attempt/";

std::string AttemptKey(const MessageId& message);
absl::StatusOr<MessageId> ParseAttemptKey(std::string_view key);

// `until` is not stored: a process that restarts counts the grace anew.
std::string EncodeAttempt(const HeardAttempt& attempt);
absl::StatusOr<HeardAttempt> DecodeAttempt(std::string_view octets);

}  // namespace fermo::cluster
