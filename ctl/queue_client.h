// fermoctl queue summary|list|show.
//
// Each prints its answer and returns OK, or the status to be reported. Nodes
// that do not answer are named on stderr and do not fail the command.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "ctl/listing_client.h"
#include "ctl/session_client.h"

namespace fermo::ctl {

absl::Status QueueSummary(Session& session);
// `domain`: empty for all.
absl::Status QueueList(Session& session, const std::string& domain, const PageOptions& page);
absl::Status QueueShow(Session& session, const std::string& id);

}  // namespace fermo::ctl
