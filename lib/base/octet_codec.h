// Building and taking apart the binary records that we store and replicate:
// fixed-width big-endian numbers, varints, length-prefixed texts, and a
// CRC-32C at the end (docs/record-format.md).
//
// Values; no threads. Writing cannot fail. A reader never reads past its
// octets and never allocates: after the first thing that does not fit it is
// failed for good, every further read gives zero or nothing, and the caller
// asks once at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace fermo {

// CRC-32C (Castagnoli), as iSCSI uses it: RFC 3720 appendix B.4.
uint32_t Crc32c(std::string_view octets);

class OctetWriter {
 public:
  void Octet(uint8_t value) { octets_.push_back(static_cast<char>(value)); }
  void Fixed32(uint32_t value);  // big-endian
  void Fixed64(uint64_t value);  // big-endian
  // Seven bits an octet, the lowest first; the top bit says that more follow.
  void Varint(uint64_t value);
  void Raw(std::string_view octets) { octets_.append(octets); }
  // The length as a varint, then the octets.
  void Text(std::string_view octets);

  std::string Take() { return std::move(octets_); }
  // Appends the checksum of everything written so far.
  std::string TakeChecked();

 private:
  std::string octets_;
};

class OctetReader {
 public:
  // REQUIRES: the octets outlive the reader and the views it gives.
  explicit OctetReader(std::string_view octets) : left_(octets) {}

  uint8_t Octet();
  uint32_t Fixed32();
  uint64_t Fixed64();
  // Refuses values above `max` and forms longer than needed, so that one value
  // has one encoding.
  uint64_t Varint(uint64_t max = UINT64_MAX);
  uint32_t Varint32() { return static_cast<uint32_t>(Varint(UINT32_MAX)); }
  std::string_view Raw(size_t count);
  std::string_view Text(size_t max_octets);
  bool Flag();  // an octet that is 0 or 1

  // For what the caller finds wrong with a value that it has read.
  void Fail() { failed_ = true; }
  bool failed() const { return failed_; }
  size_t left() const { return failed_ ? 0 : left_.size(); }
  // Nothing went wrong and nothing is left over.
  bool Complete() const { return !failed_ && left_.empty(); }

 private:
  std::string_view left_;
  bool failed_ = false;
};

// Removes the checksum that TakeChecked appended. DataLoss, naming `what`, when
// the octets are too short or damaged.
absl::StatusOr<std::string_view> VerifyChecked(std::string_view octets, std::string_view what);

}  // namespace fermo
