// Escaping of foreign text for the log: see AppendJsonEscaped in log.h.
#include <array>

#include "fmt/format.h"
#include "lib/base/log.h"

namespace fermo {
namespace {

struct Decoded {
  uint32_t point;
  int length;  // 0: not UTF-8
};

// One code point at `at` (RFC 3629: shortest form, no surrogates, up to 10FFFF).
Decoded DecodeUtf8(std::string_view text, size_t at) {
  const auto octet = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = octet(at);
  if (first < 0x80) return {first, 1};
  int length = 0;
  uint32_t point = 0;
  uint32_t lowest = 0;
  if ((first & 0xe0) == 0xc0) {
    length = 2, point = first & 0x1f, lowest = 0x80;
  } else if ((first & 0xf0) == 0xe0) {
    length = 3, point = first & 0x0f, lowest = 0x800;
  } else if ((first & 0xf8) == 0xf0) {
    length = 4, point = first & 0x07, lowest = 0x10000;
  } else {
    return {0, 0};
  }
  if (at + length > text.size()) return {0, 0};
  for (int i = 1; i < length; ++i) {
    if ((octet(at + i) & 0xc0) != 0x80) return {0, 0};
    point = point << 6 | (octet(at + i) & 0x3f);
  }
  if (point < lowest || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return {0, 0};
  return {point, length};
}

// What a terminal or an editor would obey rather than show.
bool IsUnsafe(uint32_t point) {
  return point < 0x20 || (point >= 0x7f && point <= 0x9f) ||  // C0, DEL, C1
         point == 0x2028 || point == 0x2029 ||                // line, paragraph separator
         (point >= 0x200e && point <= 0x200f) || (point >= 0x202a && point <= 0x202e) ||
         (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;  // directions, BOM
}

void AppendPoint(uint32_t point, std::string_view octets, std::string* out) {
  switch (point) {
    case '"':
      out->append("\\\"");
      return;
    case '\\':
      out->append("\\\\");
      return;
    case '\n':
      out->append("\\n");
      return;
    case '\r':
      out->append("\\r");
      return;
    case '\t':
      out->append("\\t");
      return;
    default:
      break;
  }
  if (IsUnsafe(point)) {
    fmt::format_to(std::back_inserter(*out), "\\u{:04x}", point);
  } else {
    out->append(octets);
  }
}

}  // namespace

void AppendJsonEscaped(std::string_view text, std::string* out) {
  const std::string_view whole = text;
  text = text.substr(0, kMaxLoggedText);
  size_t at = 0;
  while (at < text.size()) {
    // Decoded from the whole, so that the cut never makes half a character
    // look like an invalid octet.
    const Decoded decoded = DecodeUtf8(whole, at);
    if (decoded.length == 0) {
      out->append("\xef\xbf\xbd");  // U+FFFD
      ++at;
      continue;
    }
    AppendPoint(decoded.point, whole.substr(at, decoded.length), out);
    at += decoded.length;
  }
  if (at < whole.size()) out->append("...");
}

}  // namespace fermo
