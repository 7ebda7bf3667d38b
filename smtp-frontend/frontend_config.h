// The frontend's configuration file: checks, defaults, options.
//
// Pure. Failure: InvalidArgument with one "file:line: path: problem" line for
// each problem.
#pragma once

#include "absl/status/status.h"
#include "lib/base/config.h"
#include "smtp-frontend/frontend.h"

namespace fermoposta::v1 {
class FrontendConfig;
}

namespace fermo::frontend {

// Checks the values and fills in the defaults.
absl::Status CheckConfig(const ConfigSource& source, fermoposta::v1::FrontendConfig* config);

// REQUIRES: a configuration that CheckConfig has accepted. Version and logger
// are the caller's to set.
FrontendOptions ToOptions(const fermoposta::v1::FrontendConfig& config);

}  // namespace fermo::frontend
