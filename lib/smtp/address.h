// The paths of MAIL and RCPT (RFC 5321 4.1.2 and 4.1.3).
//
// Values and pure functions; no threads. What breaks the grammar or the limits
// is InvalidArgument with the reason in plain words, ready for a reply. Source
// routes are parsed and dropped (RFC 5321 appendix F.2). Only US-ASCII: without
// SMTPUTF8 there are no other paths.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace fermo::smtp {

// RFC 5321 4.5.3.1 asks for at least 64, 255 and 256. Local-parts are taken
// longer, because senders that rewrite or number their reverse-paths (SRS,
// VERP) pass 64 and nobody gains from refusing them.
inline constexpr size_t kMaxLocalPart = 255;
inline constexpr size_t kMaxDomain = 255;
inline constexpr size_t kMaxLabel = 63;
inline constexpr size_t kMaxPath = 1024;  // between the brackets, with source route

struct Path {
  std::string local_part;  // decoded: without quotes and backslashes
  std::string domain;      // lower case; an address literal keeps its brackets

  bool operator==(const Path&) const = default;
  bool null() const { return local_part.empty() && domain.empty(); }
  // "local@domain", the local-part quoted only where it must be; "" for <>;
  // "postmaster" has no domain.
  std::string ToString() const;
  bool HasAddressLiteral() const { return !domain.empty() && domain.front() == '['; }
};

enum class PathKind {
  kReverse,  // <> is allowed
  kForward,  // <postmaster> is allowed, in any case
};

// Consumes "<...>" from the front of `text`.
absl::StatusOr<Path> ConsumePath(std::string_view& text, PathKind kind);
// The same without brackets, and nothing behind it, as stored in an envelope.
absl::StatusOr<Path> ParseMailbox(std::string_view text, PathKind kind);

// A domain name of letters, digits, hyphens and underscores (which RFC 5321
// forbids and senders have), labels of at most 63 octets, no dot at the end.
bool IsDomain(std::string_view text);
// "[192.0.2.1]", "[IPv6:2001:db8::1]" or "[tag:text]".
bool IsAddressLiteral(std::string_view text);
// The literal of an IP address as text; the zone of a link-local one is left out.
std::string AddressLiteral(std::string_view address);

// Whether the decoded local-part holds @, % or !: a route in disguise, which a
// primary that trusts us might follow to anywhere.
bool HasHiddenRoute(const Path& path);

// What is accepted as the client's name in EHLO and HELO: a domain, an address
// literal, or another word of the same octets (RFC 5321 4.1.4 forbids to refuse
// for more than grammar).
bool IsClientName(std::string_view text);

}  // namespace fermo::smtp
