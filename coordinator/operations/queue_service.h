// The operations on waiting mail: summary, list, one message.
//
// On the coordinator's executor; the request and the response belong to gRPC
// and outlive the coroutine. Nodes that do not answer are named in the
// response and do not fail the call.
#pragma once

#include "absl/status/status.h"
#include "coordinator/operations/operations_context.h"
#include "fermoposta/v1/operations.pb.h"

namespace fermo::coordinator {

class QueueService {
 public:
  explicit QueueService(const OperationsContext* context) : context_(context) {}

  net::Awaitable<absl::Status> Summary(const fermoposta::v1::GetQueueSummaryRequest* request,
                                       fermoposta::v1::GetQueueSummaryResponse* response);
  net::Awaitable<absl::Status> List(const fermoposta::v1::ListQueueRequest* request,
                                    fermoposta::v1::ListQueueResponse* response);
  net::Awaitable<absl::Status> GetMessage(const fermoposta::v1::GetMessageRequest* request,
                                          fermoposta::v1::GetMessageResponse* response);

 private:
  const OperationsContext* context_;
};

}  // namespace fermo::coordinator
