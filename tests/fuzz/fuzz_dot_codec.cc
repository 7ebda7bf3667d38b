// The dot codec against a plain model: the end is the first CRLF.CRLF, stray
// octets are those that aren't CRLF, and every cut gives the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/smtp/dot_codec.h"
#include "tests/fuzz/check.h"

namespace fermo::smtp {
namespace {

struct Result {
  std::string content;
  bool ended = false;
  bool bad = false;
  size_t used = 0;
  bool operator==(const Result&) const = default;
};

Result Decode(std::string_view wire, size_t piece, size_t max_content) {
  DotDecoder decoder;
  Result result;
  while (result.used < wire.size() && !result.ended) {
    std::string_view view = wire.substr(result.used, piece);
    const size_t before = view.size();
    std::string content;
    result.ended = decoder.Decode(view, content, max_content);
    Check(content.size() <= max_content + 3, "bounded output");
    result.content += content;
    result.used += before - view.size();
  }
  result.bad = decoder.bad();
  return result;
}

bool HasStray(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\0') return true;
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) return true;
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] != '\n') return true;
  }
  return false;
}

void CheckAgainstModel(std::string_view wire, const Result& result) {
  const std::string framed = "\r\n" + std::string(wire);  // DATA's own CRLF comes before
  const size_t end = framed.find("\r\n.\r\n");
  Check(result.ended == (end != std::string::npos), "ends exactly at CRLF.CRLF");
  if (!result.ended) return;
  Check(result.used == end + 3, "stops behind the final dot");
  const std::string_view before = wire.substr(0, result.used - 3);
  Check(result.bad == HasStray(before), "stray octets are seen, and only those");
  if (result.bad) return;
  Check(!HasStray(result.content), "clean output");
  DotEncoder encoder;
  std::string again;
  Check(encoder.Encode(result.content, again).ok() && encoder.Finish(again).ok(), "encodes");
  const Result twice = Decode(again, again.size(), again.size());
  Check(twice.ended && !twice.bad && twice.content == result.content, "round trip");
}

}  // namespace
}  // namespace fermo::smtp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using fermo::Check;
  using namespace fermo::smtp;
  if (size < 2) return 0;
  const size_t piece = 1 + data[0] % 16;
  const size_t limit = 1 + data[1] % 32;
  const std::string_view wire(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Result whole = Decode(wire, wire.size() + 1, wire.size() + 1);
  CheckAgainstModel(wire, whole);
  const Result cut = Decode(wire, piece, limit);
  Check(cut == whole, "every cut gives the same");
  return 0;
}
