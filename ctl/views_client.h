// Small pieces of text about wire messages, which several commands print.
//
// Pure; no failure.
#pragma once

#include <cstdint>
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
// "all", or "bari, roma".
std::string RegionsOf(const fermoposta::v1::Domain& domain);
// 16 hex digits.
std::string NodeIdOf(uint64_t node);

// What is wrong with the copies that nodes own, and what is done about it.
class CopyTrouble {
 public:
  void Add(const fermoposta::v1::NodeStatus& status);
  bool Any() const;
  // "3 messages at risk, 7 messages with too few live copies, 1 repair under way".
  std::string Line() const;

 private:
  uint64_t at_risk_ = 0;
  uint64_t under_replicated_ = 0;
  uint64_t surviving_segments_ = 0;
  uint64_t repairs_ = 0;
};

}  // namespace fermo::ctl
