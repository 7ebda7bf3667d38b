#include "lib/base/units.h"

#include <algorithm>
#include <charconv>
#include <span>

#include "absl/status/status.h"

namespace fermo {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};

constexpr Unit kDurations[] = {{"d", 86'400'000'000'000},
                               {"h", 3'600'000'000'000},
                               {"m", 60'000'000'000},
                               {"s", 1'000'000'000},
                               {"ms", 1'000'000}};
constexpr Unit kSizes[] = {
    {"TiB", 1ull << 40}, {"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"", 1}};

// Digits, then the name of one of the units; at most `limit` when multiplied.
absl::StatusOr<uint64_t> Parse(std::string_view text, std::span<const Unit> units, uint64_t limit,
                               const char* rule) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view name = text.substr(digits);
  const auto unit =
      std::find_if(units.begin(), units.end(), [name](const Unit& u) { return u.name == name; });
  if (digits == 0 || unit == units.end()) return absl::InvalidArgumentError(rule);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number);
  if (error != std::errc() || number > limit / unit->factor) {
    return absl::InvalidArgumentError("is too large");
  }
  return number * unit->factor;
}

std::string Format(uint64_t value, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.factor == 0) {
      return std::to_string(value / unit.factor).append(unit.name);
    }
  }
  const Unit& smallest = units.back();
  return std::to_string(value / smallest.factor).append(smallest.name);
}

}  // namespace

absl::StatusOr<Duration> ParseDuration(std::string_view text) {
  // A hundred years: sums with a point in time must not overflow.
  constexpr uint64_t kLimit = 36'525 * 86'400'000'000'000ull;
  const absl::StatusOr<uint64_t> nanos =
      Parse(text, kDurations, kLimit, "must be a duration such as 500ms, 20s, 10m, 2h or 5d");
  if (!nanos.ok()) return nanos.status();
  return Duration(static_cast<int64_t>(*nanos));
}

std::string FormatDuration(Duration d) {
  if (d < Duration::zero()) return "-" + FormatDuration(-d);
  return Format(static_cast<uint64_t>(d.count()), kDurations);
}

absl::StatusOr<uint64_t> ParseSize(std::string_view text) {
  return Parse(text, kSizes, uint64_t{1} << 62,
               "must be a size such as 64KiB, 25MiB, 1GiB or 52428800");
}

std::string FormatSize(uint64_t octets) { return Format(octets, kSizes); }

}  // namespace fermo
