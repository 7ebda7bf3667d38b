// Command lines (RFC 5321 4.1.1) taken apart.
//
// Pure functions; the views point into the caller's line and live as long as
// it does; no threads. Grammar errors are InvalidArgument with plain words.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/smtp/address.h"

namespace fermo::smtp {

enum class Verb : uint8_t {
  kEhlo,
  kHelo,
  kMail,
  kRcpt,
  kData,
  kRset,
  kNoop,
  kVrfy,
  kHelp,
  kQuit,
  kUnimplemented,  // known, and not ours: EXPN, AUTH, BDAT, STARTTLS, ETRN, TURN, SEND, SOML, SAML
  kForbidden,      // GET, POST, CONNECT...: a browser or proxy made to speak to us
  kUnknown,
  // Not commands, but answered like them:
  kConnect,  // the greeting
  kContent,  // the final dot
  kNone,     // replies that nobody asked for: timeouts, shutdown
};
inline constexpr size_t kVerbCount = static_cast<size_t>(Verb::kNone) + 1;

// Lower case, for metrics and logs: "ehlo", ..., "unimplemented", "connect", "content", "none".
std::string_view ToString(Verb verb);

struct Command {
  Verb verb = Verb::kUnknown;
  std::string_view argument;  // without white space around it
};

// `line`: without its CRLF. Verbs in any case; white space at the end is
// tolerated (RFC 5321 4.1.1).
Command ParseCommand(std::string_view line);

// Whether a line holds only what a command may hold: HT and printable US-ASCII.
bool IsCommandText(std::string_view line);

struct Parameter {
  std::string_view keyword;
  std::optional<std::string_view> value;
};

// Takes "FROM:" (reverse) or "TO:" (forward) off the front, in any case, and the
// space that some clients put behind it. False: it isn't there.
bool TakePathPrefix(std::string_view& argument, PathKind kind);

// "SIZE=100 BODY=7BIT", at most once each; `text` is what follows the path.
absl::StatusOr<std::vector<Parameter>> ParseParameters(std::string_view text);

// The value of SIZE (RFC 1870 section 4): 1 to 20 digits. Values above 2^64-1
// give 2^64-1: they don't wrap.
absl::StatusOr<uint64_t> ParseSizeValue(std::string_view digits);

}  // namespace fermo::smtp
