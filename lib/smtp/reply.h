// SMTP replies: ours, to be formatted, and those of foreign servers, to be
// parsed (RFC 5321 4.2, enhanced codes RFC 3463 and 2034).
//
// Values and one incremental parser, owned by one session; no threads. What a
// foreign server sends is bounded in lines and octets and cleaned of anything
// unprintable before anyone sees it; a reply that breaks the grammar or the
// bounds is InvalidArgument, after which the connection is of no more use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace fermo::smtp {

// RFC 3463: "5.7.1" is {5, 7, 1}.
struct EnhancedCode {
  uint8_t klass = 0;
  uint16_t subject = 0;
  uint16_t detail = 0;
  bool operator==(const EnhancedCode&) const = default;
};
std::string ToString(const EnhancedCode& code);

// By the first digit alone, as RFC 5321 4.3.2 demands; 1yz and everything odd
// is kBroken, which a sender treats as a lost connection.
enum class ReplyClass { kBroken, kPositive, kIntermediate, kTransient, kPermanent };

struct Reply {
  int code = 0;
  std::optional<EnhancedCode> enhanced;
  std::vector<std::string> lines;  // texts without codes; never empty in our own replies

  bool operator==(const Reply&) const = default;
  ReplyClass klass() const;
  bool positive() const { return klass() == ReplyClass::kPositive; }
};

// Our own replies: Reply of one line with its enhanced code, such as
// MakeReply(550, {5, 7, 1}, "Relaying denied"). REQUIRES: the classes agree.
Reply MakeReply(int code, EnhancedCode enhanced, std::string_view text);
// Without an enhanced code: the greeting and the replies to EHLO and HELO only.
Reply MakePlainReply(int code, std::string_view text);

// Appends the octets of the reply to `out`, every line with the code and the
// enhanced code, at most 512 octets a line (longer texts are cut).
void AppendTo(const Reply& reply, std::string& out);

// "550 5.1.1 No such user", lines joined by a space, printable US-ASCII only,
// at most `max_octets`: for logs, records and DSNs.
std::string OneLine(const Reply& reply, size_t max_octets = 512);

struct ReplyLimits {
  size_t max_lines = 100;
  size_t max_octets = 16 * 1024;  // of one reply, all lines together
};

// Cuts a stream of octets into replies. A bare LF ends a line too (there are
// servers that send it); text is cleaned: what isn't printable US-ASCII
// becomes '?'.
class ReplyParser {
 public:
  explicit ReplyParser(ReplyLimits limits = {}) : limits_(limits) {}

  // Consumes from the front of `octets` up to the end of one reply. A reply
  // when one is complete; nullopt when all octets are consumed and more are
  // needed; InvalidArgument when this isn't SMTP or exceeds the limits.
  absl::StatusOr<std::optional<Reply>> Next(std::string_view& octets);

  // Whether a reply has begun that isn't complete.
  bool partial() const { return !line_.empty() || !reply_.lines.empty(); }

 private:
  absl::StatusOr<bool> AddLine();  // true: the reply is complete

  ReplyLimits limits_;
  std::string line_;
  size_t octets_ = 0;
  Reply reply_;
};

}  // namespace fermo::smtp
