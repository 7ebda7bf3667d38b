// A whole session on any octets: bounded, no broken reply, and the same for
// every cut of the input.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/fuzz/check.h"
#include "tests/unit/smtp/server_driver.h"

namespace fermo::smtp {
namespace {

constexpr char kBegin[] =
    "EHLO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<anna@example.test>\r\nDATA\r\n";

std::string Play(ServerDriver& driver, std::string_view input, size_t piece) {
  driver.SendInPieces(input, piece);
  Check(driver.violation().empty(), driver.violation().c_str());
  Check(driver.largest_piece() <= kMaxContentChunk, "bounded pieces");
  for (const StoredMessage& message : driver.stored()) {
    Check(message.content.starts_with("Received: from "), "a Received field on top");
    for (const std::string& path : message.envelope.forward_paths) {
      Check(path.ends_with("@example.test"), "only served domains");
    }
  }
  return driver.TakeReplies();
}

}  // namespace
}  // namespace fermo::smtp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using fermo::Check;
  using namespace fermo::smtp;
  if (size < 1) return 0;
  const size_t piece = 1 + data[0] % 64;
  std::string input = data[0] & 0x80 ? kBegin : "";
  input.append(reinterpret_cast<const char*>(data) + 1, size - 1);
  ServerDriver whole, cut;
  const std::string replies = Play(whole, input, input.size() + 1);
  Check(Play(cut, input, piece) == replies, "every cut is answered the same");
  Check(cut.stored().size() == whole.stored().size(), "every cut stores the same");
  return 0;
}
