#include "lib/cluster/attempt_codec.h"

#include <charconv>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace fermo::cluster {

std::string AttemptKey(const MessageId& message) {
  return absl::StrCat(absl::string_view(kAttemptPrefix.data(), kAttemptPrefix.size()),
                      ToString(message));
}

absl::StatusOr<MessageId> ParseAttemptKey(std::string_view key) {
  if (!key.starts_with(kAttemptPrefix)) return absl::DataLossError("not an attempt key");
  return ParseMessageId(key.substr(kAttemptPrefix.size()));
}

std::string EncodeAttempt(const HeardAttempt& attempt) {
  return absl::StrCat(ToString(attempt.owner), " ", attempt.owner_boot, " ", attempt.epoch.value());
}

absl::StatusOr<HeardAttempt> DecodeAttempt(std::string_view octets) {
  std::vector<std::string> parts =
      absl::StrSplit(absl::string_view(octets.data(), octets.size()), ' ');
  HeardAttempt attempt;
  uint64_t epoch = 0;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[1], &attempt.owner_boot) ||
      !absl::SimpleAtoi(parts[2], &epoch)) {
    return absl::DataLossError("damaged attempt mark");
  }
  auto owner = ParseNodeId(parts[0]);
  if (!owner.ok()) return absl::DataLossError("damaged attempt mark");
  attempt.owner = *owner;
  attempt.epoch = Epoch(epoch);
  return attempt;
}

}  // namespace fermo::cluster
