#include "coordinator/operations/domain_name.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "fmt/format.h"
#include "lib/base/host_port.h"

namespace fermo::coordinator {
namespace {

constexpr size_t kMaxLabel = 63;
constexpr size_t kMaxName = 253;

bool IsLdh(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; }

absl::Status CheckLabel(std::string_view label) {
  if (label.empty()) return absl::InvalidArgumentError("has an empty label (two dots in a row)");
  if (label.size() > kMaxLabel) {
    return absl::InvalidArgumentError(fmt::format("has a label longer than {} octets", kMaxLabel));
  }
  if (label.front() == '-' || label.back() == '-') {
    return absl::InvalidArgumentError(
        fmt::format("has a label that starts or ends with a hyphen: {}", label));
  }
  // RFC 5890 2.3.1: hyphens in places 3 and 4 are reserved; A-labels use them.
  if (label.size() >= 4 && label.substr(2, 2) == "--" &&
      (!label.starts_with("xn--") || label.size() == 4)) {
    return absl::InvalidArgumentError(fmt::format("has a reserved label: {}", label));
  }
  return absl::OkStatus();
}

// A host name in lower case, of any number of labels.
absl::Status CheckHostName(std::string_view name) {
  if (name.empty()) return absl::InvalidArgumentError("is empty");
  if (std::ranges::any_of(name, [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) {
    return absl::InvalidArgumentError("is not ASCII; write it in A-labels (xn--...)");
  }
  const auto bad = std::ranges::find_if(name, [](char c) { return c != '.' && !IsLdh(c); });
  if (bad != name.end()) {
    return absl::InvalidArgumentError(
        absl::ascii_isprint(static_cast<unsigned char>(*bad))
            ? fmt::format("has a character that no host name may have: '{}'", *bad)
            : "has a control character");
  }
  if (name.size() > kMaxName) {
    return absl::InvalidArgumentError(fmt::format("is longer than {} octets", kMaxName));
  }
  std::string_view last;
  for (absl::string_view label : absl::StrSplit(absl::string_view(name.data(), name.size()), '.')) {
    last = std::string_view(label.data(), label.size());
    if (absl::Status status = CheckLabel(last); !status.ok()) return status;
  }
  // No top-level domain is a number: such a name is a mistyped address.
  if (std::ranges::all_of(last, [](char c) { return c >= '0' && c <= '9'; })) {
    return absl::InvalidArgumentError("ends in a number; is it a mistyped address?");
  }
  return absl::OkStatus();
}

using Address = std::array<unsigned char, 16>;

// IPv4 is taken as ::ffff:a.b.c.d, so that one address has one form.
std::optional<Address> ParseAddress(const std::string& host) {
  Address address{};
  if (inet_pton(AF_INET6, host.c_str(), address.data()) == 1) return address;
  address[10] = address[11] = 0xff;
  if (inet_pton(AF_INET, host.c_str(), address.data() + 12) == 1) return address;
  return std::nullopt;
}

bool IsMapped(const Address& address) {
  constexpr std::array<unsigned char, 12> kPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::equal(kPrefix.begin(), kPrefix.end(), address.begin());
}

bool IsUnspecified(const Address& address) {
  const int first = IsMapped(address) ? 12 : 0;
  return std::all_of(address.begin() + first, address.end(), [](auto octet) { return octet == 0; });
}

absl::Status CheckAddress(const Address& address) {
  if (IsUnspecified(address)) {
    return absl::InvalidArgumentError("is the unspecified address, which no host has");
  }
  const bool multicast = IsMapped(address) ? address[12] >= 224 : address[0] == 0xff;
  if (multicast) return absl::InvalidArgumentError("is a multicast or reserved address");
  return absl::OkStatus();
}

bool IsSamePlace(const HostPort& a, const HostPort& b) {
  if (a.port != b.port) return false;
  const auto one = ParseAddress(a.host == "localhost" ? "127.0.0.1" : a.host);
  const auto other = ParseAddress(b.host == "localhost" ? "127.0.0.1" : b.host);
  if (!one || !other) return a.host == b.host;
  // A listener on all addresses has the loopback ones too.
  if (IsUnspecified(*other) && IsLoopback(a.host)) return true;
  return *one == *other;
}

}  // namespace

absl::StatusOr<std::string> NormalizeDomain(std::string_view text) {
  std::string name = absl::AsciiStrToLower(absl::string_view(text.data(), text.size()));
  if (name.ends_with('.')) name.pop_back();
  if (IsIpLiteral(name) || name.starts_with('[')) {
    return absl::InvalidArgumentError("is an address; a domain name is needed");
  }
  if (absl::Status status = CheckHostName(name); !status.ok()) return status;
  if (name.find('.') == std::string::npos) {
    return absl::InvalidArgumentError(
        "has a single label; mail domains have at least two, such as example.org");
  }
  return name;
}

absl::StatusOr<std::string> DomainFilter(const std::string& text) {
  if (text.empty()) return text;
  auto name = NormalizeDomain(text);
  if (!name.ok()) {
    return absl::InvalidArgumentError(
        fmt::format("domain: {}", std::string(name.status().message())));
  }
  return name;
}

absl::StatusOr<cluster::Route> ParsePrimary(std::string_view text) {
  if (text.empty()) return absl::InvalidArgumentError("is required, as HOST or HOST:PORT");
  auto place = ParseHostPort(text, 25);
  if (!place.ok()) return place.status();
  if (place->port == 0) return absl::InvalidArgumentError("port 0 cannot be connected to");
  const auto address = ParseAddress(place->host);
  absl::Status usable = address ? CheckAddress(*address) : CheckHostName(place->host);
  if (!usable.ok()) {
    return absl::InvalidArgumentError(fmt::format("host {}", std::string(usable.message())));
  }
  cluster::Route route;
  route.host = place->host;
  route.port = place->port;
  return route;
}

absl::Status CheckNotOurs(const cluster::Route& primary, const std::vector<OwnAddress>& ours) {
  const HostPort wanted{primary.host, primary.port};
  for (const OwnAddress& own : ours) {
    const auto place = ParseHostPort(own.address);
    if (!place.ok() || !IsSamePlace(wanted, *place)) continue;
    return absl::InvalidArgumentError(
        fmt::format("{} is {}: mail would go in circles; name the domain's own mail server",
                    ToString(wanted), own.owner));
  }
  return absl::OkStatus();
}

}  // namespace fermo::coordinator
