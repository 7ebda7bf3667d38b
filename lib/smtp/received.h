// The trace field that a relay adds on top of a message, and the count of
// those that are there already (RFC 5321 4.4 and 6.3).
//
// Values, a pure function and one incremental scanner; no threads, no failure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "lib/base/time.h"

namespace fermo::smtp {

struct TraceInfo {
  std::string helo;              // as the client named itself; checked by IsClientName()
  std::string client_address;    // IP literal without brackets
  std::string hostname;          // ours
  bool extended = true;          // EHLO: WITH ESMTP, HELO: WITH SMTP (RFC 3848)
  std::string id;                // of the transaction; the message's own isn't known yet
  std::string single_recipient;  // FOR: only if the message has one recipient, else empty
  WallTime at{};
};

// "Received: from ... ; date" with its CRLFs, folded below 78 octets where the
// parts allow it. The date is UTC. A recipient that would need a line longer
// than 998 octets, or holds an octet that isn't printable, is left out.
std::string ReceivedField(const TraceInfo& info);

// RFC 5322 3.3, always +0000: "Mon, 24 Nov 2025 07:04:00 +0000".
std::string MailDate(WallTime at);

// Counts Received fields in the header section of content that passes by in
// any cut.
class ReceivedCounter {
 public:
  void Scan(std::string_view content);
  size_t count() const { return count_; }
  bool header_ended() const { return ended_; }

 private:
  void EndLine();

  // What is known of the present line: how much of "received" it matched, then
  // white space, then the colon.
  enum class Match { kName, kSpace, kSkip };
  Match match_ = Match::kName;
  size_t matched_ = 0;
  bool line_empty_ = true;
  bool ended_ = false;
  size_t count_ = 0;
};

}  // namespace fermo::smtp
