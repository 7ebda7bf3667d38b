// The transparency of DATA (RFC 5321 4.5.2): taking message content off the
// wire and putting it back.
//
// Incremental, any cut of the octets gives the same result; one owner, no
// threads. Only CRLF "." CRLF ends the content, and "start of line" is true
// only after CRLF. A bare CR, a bare LF or a NUL never passes: the decoder
// swallows such a message to its true end and says that it was bad, the encoder
// refuses it. So no two servers can disagree about where our messages end.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace fermo::smtp {

class DotDecoder {
 public:
  // Consumes from the front of `wire`, appends decoded octets to `content`,
  // stopping behind the final dot or when `content` holds `max_content` octets
  // or a few more (at most three). True: the content has ended.
  bool Decode(std::string_view& wire, std::string& content, size_t max_content);

  // A bare CR, bare LF or NUL was seen: refuse with 554 5.6.0. Octets after the
  // first such one are not appended any more.
  bool bad() const { return bad_; }

  // Forgets everything: ready for another message.
  void Reset() { *this = DotDecoder(); }

 private:
  enum class State { kLineStart, kText, kCr, kDot, kDotCr };
  bool DecodeSpecial(char octet, std::string& content);
  bool Keep(std::string& content, std::string_view octets);

  State state_ = State::kLineStart;
  bool bad_ = false;
};

class DotEncoder {
 public:
  // Appends the wire form of `content` to `wire`. InvalidArgument at a bare CR,
  // bare LF or NUL; nothing more may be sent on this connection then.
  absl::Status Encode(std::string_view content, std::string& wire);
  // Appends what is missing of the last CRLF and the final dot. InvalidArgument
  // if the content ended in a bare CR.
  absl::Status Finish(std::string& wire);
  void Reset() { *this = DotEncoder(); }

 private:
  enum class State { kLineStart, kText, kCr };
  State state_ = State::kLineStart;
};

}  // namespace fermo::smtp
