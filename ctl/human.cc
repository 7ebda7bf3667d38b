#include "ctl/human.h"

#include <algorithm>
#include <ctime>

#include "fmt/chrono.h"
#include "fmt/format.h"

namespace fermo::ctl {
namespace {

// The two largest units that count; seconds only below two minutes.
std::string FormatSpan(int64_t seconds) {
  seconds = std::max<int64_t>(seconds, 0);
  if (seconds < 120) return fmt::format("{}s", seconds);
  const int64_t minutes = seconds / 60;
  if (minutes < 60) return fmt::format("{}m", minutes);
  const int64_t hours = minutes / 60;
  if (hours < 48) return fmt::format("{}h {}m", hours, minutes % 60);
  return fmt::format("{}d {}h", hours / 24, hours % 24);
}

int64_t SecondsBetween(WallTime from, WallTime to) {
  return std::chrono::floor<std::chrono::seconds>(to - from).count();
}

}  // namespace

std::string FormatAge(WallTime then, WallTime now) { return FormatSpan(SecondsBetween(then, now)); }

std::string FormatUntil(WallTime then, WallTime now) {
  const int64_t seconds = SecondsBetween(now, then);
  return seconds <= 0 ? "now" : "in " + FormatSpan(seconds);
}

std::string FormatMoment(WallTime then, WallTime now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(then).time_since_epoch().count();
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC ({} ago)",
                     fmt::gmtime(static_cast<std::time_t>(seconds)), FormatAge(then, now));
}

std::string FormatOctets(uint64_t octets) {
  if (octets < 1024) return fmt::format("{} B", octets);
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(octets) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

WallTime FromMillis(int64_t millis) { return WallTime(std::chrono::milliseconds(millis)); }

std::string Printable(std::string_view text) {
  std::string clean(text);
  std::ranges::replace_if(
      clean, [](char c) { return c < ' ' || c > '~'; }, '?');
  return clean;
}

std::string Count(uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

}  // namespace fermo::ctl
