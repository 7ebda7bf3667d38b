// What an operator may enter as a domain and as its primary.
//
// Pure; asks no resolver. Failure: InvalidArgument with the problem alone, so
// that the caller can name the field.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/cluster/snapshot.h"

namespace fermo::coordinator {

// A mail domain in lower case without a final dot: at least two labels of
// letters, digits and inner hyphens (RFC 1035 2.3.1, RFC 5321 2.3.5), at most
// 63 octets each and 253 in all; other scripts as A-labels (RFC 5890).
absl::StatusOr<std::string> NormalizeDomain(std::string_view text);

// The same of a field `domain` that is empty for all domains; names the field.
absl::StatusOr<std::string> DomainFilter(const std::string& text);

// HOST, HOST:PORT or [IPv6]:PORT; port 25 when absent. A host is a name, also
// of a single label, or an address that a host can have.
absl::StatusOr<cluster::Route> ParsePrimary(std::string_view text);

// One of our own listeners, which cannot be a primary: mail would go in circles.
struct OwnAddress {
  std::string owner;    // "the SMTP listener of firenze-frontend"
  std::string address;  // host:port
};
absl::Status CheckNotOurs(const cluster::Route& primary, const std::vector<OwnAddress>& ours);

}  // namespace fermo::coordinator
