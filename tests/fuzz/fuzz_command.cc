// Command lines and paths: what parses must print, parse again to the same, and
// hold nothing that could end a line.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/smtp/address.h"
#include "lib/smtp/command.h"
#include "tests/fuzz/check.h"

namespace fermo::smtp {
namespace {

void CheckPath(std::string_view text, PathKind kind) {
  std::string_view rest = text;
  const auto path = ConsumePath(rest, kind);
  if (!path.ok()) return;
  const std::string printed = path->ToString();
  Check(IsCommandText(printed), "a path is printable");
  Check(path->local_part.size() <= kMaxLocalPart && path->domain.size() <= kMaxDomain, "limits");
  if (printed.size() > kMaxPath) return;
  const auto again = ParseMailbox(printed, kind);
  Check(again.ok() && *again == *path, "a printed path parses to itself");
}

}  // namespace
}  // namespace fermo::smtp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fermo::smtp;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckPath(text, PathKind::kForward);
  CheckPath(text, PathKind::kReverse);
  std::string_view argument = ParseCommand(text).argument;
  if (TakePathPrefix(argument, PathKind::kReverse)) CheckPath(argument, PathKind::kReverse);
  const auto parameters = ParseParameters(text);
  if (parameters.ok()) {
    for (const Parameter& parameter : *parameters) {
      if (parameter.value) (void)ParseSizeValue(*parameter.value);
    }
  }
  (void)IsClientName(text);
  return 0;
}
