// One member, as it looked when it was asked.
//
// A plain value; no failure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "coordinator/membership/records.h"
#include "lib/base/time.h"

namespace fermo::coordinator {

struct NodeFacts {
  MemberRecord member;
  bool answered = false;
  std::string error;                        // when not
  bool connected = false;                   // watches this coordinator
  std::optional<WallTime> disconnected_at;  // nullopt: not seen since our start
  bool ready = false;
  std::string not_ready_reason;
  // What the node is configured for; 0: it does not say.
  uint32_t copies = 0;
  uint32_t write_copies = 0;
  uint32_t min_regions = 0;
  // What it says of its copies.
  bool drains = false;        // has heard that it is to drain
  uint32_t to_hand_over = 0;  // segments of which it is still a holder, when it drains
  uint32_t repairs = 0;       // under way
  uint64_t under_replicated = 0;
  uint64_t at_risk = 0;
  uint32_t surviving_segments = 0;
  bool suspect = false;  // it stopped uncleanly and may have lost copies

  bool Drained() const { return member.draining && answered && drains && to_hand_over == 0; }
};

}  // namespace fermo::coordinator
