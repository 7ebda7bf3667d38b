// The Operations service: what operators ask of the coordinator.
//
// Ownership: the context and the metrics must outlive the service, and the
// service the gRPC server. Threading: the gRPC half only hands over to the
// context's executor. Failure: each call ends with the status that the
// operation gives. At most max_running calls run at a time; more are refused
// with ResourceExhausted.
#pragma once

#include <memory>

#include "coordinator/operations/operations_context.h"
#include "lib/net/metrics.h"

namespace grpc {
class Service;
}

namespace fermo::coordinator {

class OperationsService {
 public:
  OperationsService(const OperationsContext* context, net::Metrics* metrics, int max_running = 64);
  ~OperationsService();
  OperationsService(const OperationsService&) = delete;
  OperationsService& operator=(const OperationsService&) = delete;

  static const char* Name();  // for the health service
  grpc::Service* service();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fermo::coordinator
