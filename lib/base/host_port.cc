#include "lib/base/host_port.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"

namespace fermo {
namespace {

absl::StatusOr<uint16_t> ParsePort(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    return absl::InvalidArgumentError("the port must be a number from 0 to 65535");
  }
  return port;
}

bool IsIpv6(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool IsIpv4(const std::string& host) {
  in_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

// Letters, digits, hyphens and underscores between dots; at most 253 octets.
absl::StatusOr<std::string> ParseName(std::string_view text) {
  std::string name(text);
  absl::AsciiStrToLower(&name);
  if (name.ends_with('.')) name.pop_back();
  if (name.empty()) return absl::InvalidArgumentError("the host is missing");
  if (name.size() > 253) return absl::InvalidArgumentError("the host name is too long");
  size_t label = 0;
  for (const char c : name) {
    if (c == '.') {
      if (label == 0) return absl::InvalidArgumentError("the host name has an empty label");
      label = 0;
      continue;
    }
    if (!absl::ascii_isalnum(c) && c != '-' && c != '_') {
      return absl::InvalidArgumentError("the host has a character that no host name has");
    }
    if (++label > 63) return absl::InvalidArgumentError("the host name has a too long label");
  }
  if (label == 0) return absl::InvalidArgumentError("the host name has an empty label");
  // 1.2.3 or 300.1.1.1: never a name, but some resolvers would take it for an address.
  const bool numeric = name.find_first_not_of("0123456789.") == std::string::npos;
  if (numeric && !IsIpv4(name)) return absl::InvalidArgumentError("the address is not valid");
  return name;
}

}  // namespace

absl::StatusOr<HostPort> ParseHostPort(std::string_view text,
                                       std::optional<uint16_t> default_port) {
  HostPort result;
  std::string_view rest;  // from the colon of the port on, or empty
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return absl::InvalidArgumentError("no ] after the [");
    result.host = std::string(text.substr(1, close - 1));
    absl::AsciiStrToLower(&result.host);
    if (!IsIpv6(result.host)) {
      return absl::InvalidArgumentError("no valid IPv6 address between [ and ]");
    }
    rest = text.substr(close + 1);
    if (!rest.empty() && rest[0] != ':') {
      return absl::InvalidArgumentError("only :port may follow the ]");
    }
  } else {
    const size_t colon = text.find(':');
    if (colon != text.rfind(':')) {
      return absl::InvalidArgumentError("an IPv6 address needs brackets: [::1]:25");
    }
    absl::StatusOr<std::string> name = ParseName(text.substr(0, colon));
    if (!name.ok()) return name.status();
    result.host = *std::move(name);
    rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
  }
  if (rest.empty()) {
    if (!default_port) return absl::InvalidArgumentError("must be host:port; the port is missing");
    result.port = *default_port;
    return result;
  }
  const absl::StatusOr<uint16_t> port = ParsePort(rest.substr(1));
  if (!port.ok()) return port.status();
  result.port = *port;
  return result;
}

std::string ToString(const HostPort& place) {
  const bool ipv6 = place.host.find(':') != std::string::npos;
  std::string text = ipv6 ? "[" + place.host + "]" : place.host;
  return text + ":" + std::to_string(place.port);
}

bool IsIpLiteral(std::string_view host) {
  const std::string text(host);
  return IsIpv4(text) || IsIpv6(text);
}

bool IsListenable(std::string_view host) { return host == "localhost" || IsIpLiteral(host); }

bool IsLoopback(std::string_view host) {
  const std::string text(host);
  if (absl::AsciiStrToLower(text) == "localhost") return true;
  in_addr v4;
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6;
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) return false;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return v6.s6_addr[12] == 127;
  return IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace fermo
