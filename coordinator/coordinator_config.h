// The coordinator's configuration file: checks, defaults, options.
//
// Pure. Failure: InvalidArgument with one "file:line: path: problem" line for
// each problem.
#pragma once

#include "absl/status/status.h"
#include "coordinator/coordinator.h"
#include "lib/base/config.h"

namespace fermoposta::v1 {
class CoordinatorConfig;
}

namespace fermo::coordinator {

// Checks the values and fills in the defaults.
absl::Status CheckConfig(const ConfigSource& source, fermoposta::v1::CoordinatorConfig* config);

// REQUIRES: a configuration that CheckConfig has accepted. The logger and the
// callbacks are the caller's to set.
CoordinatorOptions ToOptions(const fermoposta::v1::CoordinatorConfig& config);

}  // namespace fermo::coordinator
