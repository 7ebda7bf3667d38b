// Sums of queue counts over nodes. Pure; no failure.
#pragma once

#include "fermoposta/v1/node_operations.pb.h"

namespace fermo::coordinator {

// Adds up; the oldest is the earlier of those that are set.
void AddCounts(const fermoposta::v1::QueueCounts& more, fermoposta::v1::QueueCounts* sum);

}  // namespace fermo::coordinator
