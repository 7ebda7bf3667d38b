// The operations on domains: add, list, get, remove.
//
// On the coordinator's executor; the request and the response belong to gRPC
// and outlive the coroutine. Failure: the status that the operator reads; it
// names the field and says what to do.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "coordinator/operations/operations_context.h"
#include "fermoposta/v1/operations.pb.h"

namespace fermo::coordinator {

class DomainService {
 public:
  explicit DomainService(const OperationsContext* context) : context_(context) {}

  net::Awaitable<absl::Status> Add(const fermoposta::v1::AddDomainRequest* request,
                                   fermoposta::v1::AddDomainResponse* response);
  net::Awaitable<absl::Status> List(const fermoposta::v1::ListDomainsRequest* request,
                                    fermoposta::v1::ListDomainsResponse* response);
  net::Awaitable<absl::Status> Get(const fermoposta::v1::GetDomainRequest* request,
                                   fermoposta::v1::GetDomainResponse* response);
  net::Awaitable<absl::Status> Remove(const fermoposta::v1::RemoveDomainRequest* request,
                                      fermoposta::v1::RemoveDomainResponse* response);

 private:
  absl::StatusOr<DomainRecord> Check(const fermoposta::v1::AddDomainRequest& request) const;
  net::Awaitable<absl::StatusOr<std::vector<std::string>>> Regions(std::vector<std::string> asked);
  net::Awaitable<absl::StatusOr<uint64_t>> CountWaiting(std::string name, bool force);

  const OperationsContext* context_;
};

}  // namespace fermo::coordinator
