#include "lib/base/octet_codec.h"

#include <boost/crc.hpp>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace fermo {
namespace {

constexpr size_t kChecksumSize = 4;

template <class T>
void AppendBigEndian(T value, std::string& out) {
  for (int shift = (sizeof(T) - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
}

template <class T>
T ParseBigEndian(std::string_view octets) {
  T value = 0;
  for (char octet : octets) value = static_cast<T>(value << 8) | static_cast<uint8_t>(octet);
  return value;
}

}  // namespace

uint32_t Crc32c(std::string_view octets) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(octets.data(), octets.size());
  return crc.checksum();
}

void OctetWriter::Fixed32(uint32_t value) { AppendBigEndian(value, octets_); }

void OctetWriter::Fixed64(uint64_t value) { AppendBigEndian(value, octets_); }

void OctetWriter::Varint(uint64_t value) {
  while (value >= 0x80) {
    octets_.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  octets_.push_back(static_cast<char>(value));
}

void OctetWriter::Text(std::string_view octets) {
  Varint(octets.size());
  Raw(octets);
}

std::string OctetWriter::TakeChecked() {
  Fixed32(Crc32c(octets_));
  return Take();
}

std::string_view OctetReader::Raw(size_t count) {
  if (failed_ || count > left_.size()) {
    failed_ = true;
    return {};
  }
  std::string_view taken = left_.substr(0, count);
  left_.remove_prefix(count);
  return taken;
}

uint8_t OctetReader::Octet() { return ParseBigEndian<uint8_t>(Raw(1)); }

uint32_t OctetReader::Fixed32() { return ParseBigEndian<uint32_t>(Raw(4)); }

uint64_t OctetReader::Fixed64() { return ParseBigEndian<uint64_t>(Raw(8)); }

uint64_t OctetReader::Varint(uint64_t max) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    uint64_t octet = Octet();
    if (failed_) return 0;
    uint64_t bits = octet & 0x7f;
    bool last = octet < 0x80;
    if (shift == 63 && bits > 1) break;         // more than 64 bits
    if (last && bits == 0 && shift > 0) break;  // a shorter form exists
    value |= bits << shift;
    if (last) {
      if (value > max) break;
      return value;
    }
  }
  failed_ = true;
  return 0;
}

std::string_view OctetReader::Text(size_t max_octets) {
  return Raw(static_cast<size_t>(Varint(max_octets)));
}

bool OctetReader::Flag() {
  uint8_t octet = Octet();
  if (octet > 1) failed_ = true;
  return octet == 1;
}

absl::StatusOr<std::string_view> VerifyChecked(std::string_view octets, std::string_view what) {
  if (octets.size() < kChecksumSize) {
    return absl::DataLossError(fmt::format("{} is cut short: {} octets", what, octets.size()));
  }
  std::string_view payload = octets.substr(0, octets.size() - kChecksumSize);
  uint32_t stored = ParseBigEndian<uint32_t>(octets.substr(payload.size()));
  if (stored != Crc32c(payload)) {
    return absl::DataLossError(fmt::format("{} is damaged: its checksum does not match", what));
  }
  return payload;
}

}  // namespace fermo
