// Times, sizes and foreign text as people read them on a terminal.
//
// Pure functions; no failure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lib/base/time.h"

namespace fermo::ctl {

// "45s", "3m", "2h 5m", "4d 7h"; "0s" for what lies in the future.
std::string FormatAge(WallTime then, WallTime now);
// "in 45s", or "now" for what is due.
std::string FormatUntil(WallTime then, WallTime now);
// "2024-05-01 12:00:00 UTC (3m ago)".
std::string FormatMoment(WallTime then, WallTime now);
// "512 B", "4.0 KiB", "25.0 MiB".
std::string FormatOctets(uint64_t octets);

// Milliseconds of Unix time, as the wire has them.
WallTime FromMillis(int64_t millis);

// What a sender or a server wrote, without anything that a terminal obeys:
// every octet but printable ASCII becomes '?'.
std::string Printable(std::string_view text);

// "1 message", "2 messages".
std::string Count(uint64_t number, std::string_view noun);

}  // namespace fermo::ctl
