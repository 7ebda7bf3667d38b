// "host:port", as configuration and domains name a place on the network.
//
// Values; parsing foreign text returns InvalidArgument with the problem alone
// (no file, no path), so that callers can say where it stood.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace fermo {

struct HostPort {
  std::string host;  // a name or an address; IPv6 without brackets
  uint16_t port = 0;
  auto operator<=>(const HostPort&) const = default;
};

// "mx.example.test:25", "192.0.2.1:25", "[2001:db8::1]:25". Without a port the
// default is taken, or the text refused if there is none. Port 0 is allowed:
// a listener then chooses. Host names are lower-cased and lose a final dot.
absl::StatusOr<HostPort> ParseHostPort(std::string_view text,
                                       std::optional<uint16_t> default_port = std::nullopt);
// The inverse; brackets around IPv6.
std::string ToString(const HostPort& place);

// True for an IPv4 or IPv6 address as text.
bool IsIpLiteral(std::string_view host);
// True for an address and for localhost: what a listener takes without a resolver.
bool IsListenable(std::string_view host);
// True for localhost, 127.0.0.0/8, ::1 and ::ffff:127.0.0.0/104. Asks no resolver.
bool IsLoopback(std::string_view host);

}  // namespace fermo
