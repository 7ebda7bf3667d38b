// Small pieces of text about wire messages, which several commands print.
//
// Pure; no failure.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "fermoposta/v1/operations.pb.h"
#include "lib/base/time.h"

namespace fermo::ctl {

// "mx.example.test:25", "[2001:db8::1]:25".
std::string PrimaryOf(const fermoposta::v1::Domain& domain);
// "3m", or "-" when there is no time.
std::string AgeOrDash(int64_t millis, WallTime now);
// "12 messages for 14 recipients, 1.5 MiB, the oldest for 3m", or "nothing".
std::string CountsLine(const fermoposta::v1::QueueCounts& counts, WallTime now);
// The same, with those that no node owns at the moment.
std::string CountsLine(const fermoposta::v1::QueueCounts& counts, uint64_t ownerless, WallTime now);
// "-" for the null reverse-path.
std::string PathOf(absl::string_view path);
// 16 hex digits.
std::string NodeIdOf(uint64_t node);

}  // namespace fermo::ctl
