// fermoctl cluster status.
//
// Prints its answer and returns OK, or the status to be reported.
#pragma once

#include "absl/status/status.h"
#include "ctl/session_client.h"

namespace fermo::ctl {

absl::Status ClusterStatus(Session& session);

}  // namespace fermo::ctl
