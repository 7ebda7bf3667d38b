// The keys under which a spool stores things. All numbers are big-endian, so
// that keys sort by segment, then by seq or body, then by leg or chunk:
//
//   segment    writer(8) boot(4) number(4)
//   message    segment(16) seq(4)
//   body       segment(16) body(4) chunk(4)
//   recipient  segment(16) seq(4) leg(4)
//
// Values without allocation; no threads. Decoding keys of another length
// returns DataLoss.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "lib/base/ids.h"

namespace fermo::spool {

class Key {
 public:
  static constexpr size_t kMaxSize = 24;

  void Append32(uint32_t value);
  void Append64(uint64_t value);
  std::string_view view() const { return {octets_.data(), size_}; }

 private:
  std::array<char, kMaxSize> octets_{};
  size_t size_ = 0;
};

Key SegmentKey(const SegmentId& segment);
Key MessageKey(const SegmentId& segment, Seq seq);
Key BodyKey(const SegmentId& segment, uint32_t body, uint32_t chunk);
Key RecipientKey(const SegmentId& segment, Seq seq, uint32_t leg);

struct BodyPosition {
  SegmentId segment;
  uint32_t body = 0;
  uint32_t chunk = 0;
};
struct LegPosition {
  SegmentId segment;
  Seq seq;
  uint32_t leg = 0;
};
absl::StatusOr<SegmentId> DecodeSegmentKey(std::string_view key);
absl::StatusOr<MessageId> DecodeMessageKey(std::string_view key);
absl::StatusOr<BodyPosition> DecodeBodyKey(std::string_view key);
absl::StatusOr<LegPosition> DecodeRecipientKey(std::string_view key);

// The first key behind all that begin with `prefix`; empty when there is none,
// because the prefix is empty or all 0xff.
std::string EndOfPrefix(std::string_view prefix);

}  // namespace fermo::spool
