// The node's configuration file: checks, defaults, options.
//
// Pure. Failure: InvalidArgument with one "file:line: path: problem" line for
// each problem.
#pragma once

#include "absl/status/status.h"
#include "lib/base/config.h"
#include "node/node.h"

namespace fermoposta::v1 {
class NodeConfig;
}

namespace fermo::node {

// Checks the values and fills in the defaults.
absl::Status CheckConfig(const ConfigSource& source, fermoposta::v1::NodeConfig* config);

// REQUIRES: a configuration that CheckConfig has accepted. The logger and the
// callbacks are the caller's to set.
NodeOptions ToOptions(const fermoposta::v1::NodeConfig& config);

}  // namespace fermo::node
