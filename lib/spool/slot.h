// What a holder keeps under one seq of a segment: the record of a live
// message, or the mark that stands in its place once it is aborted or
// finished (docs/record-format.md).
//
// Values; no threads. Decoding foreign octets returns DataLoss.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/spool/record.h"

namespace fermo::spool {

struct Slot {
  enum class Kind { kLive, kAborted, kFinished } kind = Kind::kLive;
  std::string_view record;        // kLive; points into the octets decoded
  std::vector<Outcome> outcomes;  // kFinished, by leg
  // kFinished, by leg: the domains of the forward-paths; point into the octets
  // decoded. Empty when they are not known.
  std::vector<std::string_view> domains;
};

// A live slot is this prefix followed by the record, so that a store can write
// the record without copying it.
inline constexpr std::string_view kLiveSlotPrefix = "L";

std::string EncodeAbortedSlot();
// The domains by leg, none when they are not known; their number need not be
// that of the outcomes. REQUIRES: at most kMaxLegs of either, none of the domains
// longer than kMaxPathOctets.
std::string EncodeFinishedSlot(const std::vector<Outcome>& outcomes,
                               const std::vector<std::string_view>& domains);

absl::StatusOr<Slot> DecodeSlot(std::string_view octets);

}  // namespace fermo::spool
