// The operations on the cluster as a whole: nodes and status.
//
// On the coordinator's executor; the response belongs to gRPC and outlives the
// coroutine. Never fails: what is wrong is in the answer.
#pragma once

#include "absl/status/status.h"
#include "coordinator/operations/operations_context.h"
#include "fermoposta/v1/operations.pb.h"

namespace fermo::coordinator {

class ClusterService {
 public:
  explicit ClusterService(const OperationsContext* context) : context_(context) {}

  net::Awaitable<absl::Status> ListNodes(const fermoposta::v1::ListNodesRequest* request,
                                         fermoposta::v1::ListNodesResponse* response);
  net::Awaitable<absl::Status> GetStatus(const fermoposta::v1::GetClusterStatusRequest* request,
                                         fermoposta::v1::GetClusterStatusResponse* response);

 private:
  const OperationsContext* context_;
};

}  // namespace fermo::coordinator
