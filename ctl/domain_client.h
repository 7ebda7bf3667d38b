// fermoctl domain add|list|show|remove.
//
// Each prints its answer and returns OK, or the status to be reported.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "ctl/listing_client.h"
#include "ctl/session_client.h"

namespace fermo::ctl {

// `regions`: the only ones that may hold its mail; none: all.
absl::Status DomainAdd(Session& session, const std::string& name, const std::string& primary,
                       const std::vector<std::string>& regions);
absl::Status DomainList(Session& session, const PageOptions& page);
absl::Status DomainShow(Session& session, const std::string& name);
absl::Status DomainRemove(Session& session, const std::string& name, bool force);

}  // namespace fermo::ctl
