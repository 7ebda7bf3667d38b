// fermoctl audit.
//
// Prints its answer and returns OK, or the status to be reported: DataLoss when
// something is missing, Unavailable when nothing is but not all could be audited;
// both with an exit code of their own, kept in the session.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "ctl/session_client.h"

namespace fermo::ctl {

inline constexpr int kExitDifference = 4;
inline constexpr int kExitNotAudited = 5;

// `domain`: empty for all.
absl::Status Audit(Session& session, const std::string& domain);

}  // namespace fermo::ctl
