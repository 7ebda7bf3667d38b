// The auditor's pages on the wire.
//
// Ownership: the auditor outlives the call; request and response belong to gRPC
// and outlive the coroutine. Threading: the auditor's askers' executor. Failure:
// InvalidArgument names the field; else as Auditor::Page.
#pragma once

#include "absl/status/status.h"
#include "fermoposta/v1/node_operations.pb.h"
#include "lib/net/asio.h"
#include "node/operations/auditor.h"

namespace fermo::node {

net::Awaitable<absl::Status> AuditOwned(Auditor* auditor,
                                        const fermoposta::v1::AuditOwnedSegmentsRequest* request,
                                        fermoposta::v1::AuditOwnedSegmentsResponse* response);

}  // namespace fermo::node
