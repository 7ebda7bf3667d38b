// Durations and sizes as people write them in configuration.
//
// Plain functions. Errors are InvalidArgument and say what would be right.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "lib/base/time.h"

namespace fermo {

// A whole number and one unit of ms, s, m, h, d: "500ms", "20s", "10m", "2h", "5d".
absl::StatusOr<Duration> ParseDuration(std::string_view text);
// In the largest unit that keeps it whole (below a millisecond it is cut off).
std::string FormatDuration(Duration d);

// A whole number of octets, or with KiB, MiB, GiB, TiB: "64KiB", "25MiB", "52428800".
absl::StatusOr<uint64_t> ParseSize(std::string_view text);
// In the largest unit that keeps it whole.
std::string FormatSize(uint64_t octets);

}  // namespace fermo
