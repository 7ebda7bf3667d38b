// The audit: all nodes go through the books of what they own, at the same time,
// and what they say is added up.
//
// On the coordinator's executor; the request and the response belong to gRPC
// and outlive the coroutine. Failure: InvalidArgument names the field. Nodes that
// do not answer, or are not done in time, are named in the response and do not
// fail the call.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "coordinator/operations/operations_context.h"
#include "fermoposta/v1/operations.pb.h"

namespace fermo::coordinator {

class AuditService {
 public:
  explicit AuditService(const OperationsContext* context) : context_(context) {}

  // `given_up` tells whether nobody waits for the answer any more.
  net::Awaitable<absl::Status> Audit(const fermoposta::v1::AuditRequest* request,
                                     fermoposta::v1::AuditResponse* response,
                                     std::function<bool()> given_up);

 private:
  const OperationsContext* context_;
};

}  // namespace fermo::coordinator
