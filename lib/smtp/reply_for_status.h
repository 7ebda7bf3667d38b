// The one table from what went wrong inside to what the sender is told.
//
// A pure function. Our own trouble is always 4yz: the sender keeps its message
// and tries again. 5yz is said only about the sender's own commands and
// content, and never here.
#pragma once

#include "absl/status/status.h"
#include "lib/smtp/reply.h"

namespace fermo::smtp {

// REQUIRES: !status.ok(). The status' message is for our log and never shown.
Reply ReplyForStatus(const absl::Status& status);

}  // namespace fermo::smtp
