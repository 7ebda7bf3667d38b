// When a leg is tried again after a temporary failure of its own (RFC 5321
// section 4.5.4.1). A failure of the route parks the route instead.
//
// Pure; no threads, no failure.
#pragma once

#include <chrono>
#include <cstdint>

#include "lib/base/random.h"
#include "lib/base/time.h"

namespace fermo::spool {

struct BackOff {
  Duration first = std::chrono::minutes(1);
  Duration max = std::chrono::minutes(30);
};

// The time from the end of the failed attempt number `attempt` (from 1) to the
// next one: `first`, doubled with each attempt up to `max`, less a random part of
// up to a quarter, so that legs which failed together do not return together.
// REQUIRES: 0 < first <= max.
Duration NextDelay(uint32_t attempt, Rng& rng, const BackOff& back_off = {});

}  // namespace fermo::spool
