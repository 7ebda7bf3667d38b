// The operations on one node: drain and evict.
//
// On the coordinator's executor; the request and the response belong to gRPC
// and outlive the coroutine. Failure: the status that the operator reads; what
// force overrides is FailedPrecondition.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/operations/operations_context.h"
#include "fermoposta/v1/operations.pb.h"

namespace fermo::coordinator {

class NodeService {
 public:
  explicit NodeService(const OperationsContext* context) : context_(context) {}

  net::Awaitable<absl::Status> Drain(const fermoposta::v1::DrainNodeRequest* request,
                                     fermoposta::v1::DrainNodeResponse* response);
  net::Awaitable<absl::Status> Evict(const fermoposta::v1::EvictNodeRequest* request,
                                     fermoposta::v1::EvictNodeResponse* response);

 private:
  // Stores the flag and waits until the processes have heard of it.
  net::Awaitable<absl::Status> SetDraining(MemberRecord member, bool draining, std::string reason);
  net::Awaitable<absl::Status> StoreEviction(MemberRecord member, uint64_t sole_copies,
                                             std::string reason);

  const OperationsContext* context_;
};

}  // namespace fermo::coordinator
