// Points and spans of time.
//
// Durations and leases are measured on CLOCK_BOOTTIME, which counts through
// suspension and never jumps; wall-clock time is only for people and for the
// lifetime of mail. Pure code receives `Instant now` as an argument and never
// reads a clock.
#pragma once

#include <chrono>
#include <cstdint>

namespace fermo {

using Duration = std::chrono::nanoseconds;

// CLOCK_BOOTTIME as a chrono clock.
struct BootClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock, duration>;
  static constexpr bool is_steady = true;
  static time_point now() noexcept;
};
using Instant = BootClock::time_point;

// Unix time in milliseconds.
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;
WallTime WallNow();

}  // namespace fermo
