// What a node answered, as facts and as what it holds.
//
// Pure; no failure.
#pragma once

#include <vector>

#include "coordinator/membership/process_table.h"
#include "coordinator/operations/node_client.h"
#include "coordinator/operations/node_facts.h"
#include "coordinator/operations/sole_copies.h"

namespace fermo::coordinator {

NodeFacts ToFacts(const NodeAnswer<NodeClient::Status>& answer, const ProcessTable& connected);
std::vector<NodeFacts> ToFacts(const std::vector<NodeAnswer<NodeClient::Status>>& answers,
                               const ProcessTable& connected);
Holdings ToHoldings(const NodeAnswer<NodeClient::Status>& answer);

}  // namespace fermo::coordinator
