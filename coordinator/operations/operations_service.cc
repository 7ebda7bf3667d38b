#include "coordinator/operations/operations_service.h"

#include <map>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "coordinator/operations/audit_service.h"
#include "coordinator/operations/cluster_service.h"
#include "coordinator/operations/domain_service.h"
#include "coordinator/operations/node_service.h"
#include "coordinator/operations/queue_service.h"
#include "fermoposta/v1/operations.grpc.pb.h"
#include "lib/rpc/unary_service.h"

namespace fermo::coordinator {

namespace v1 = ::fermoposta::v1;
using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;

class OperationsService::Impl : public v1::Operations::CallbackService {
 public:
  Impl(const OperationsContext* context, net::Metrics* metrics, int max_running)
      : context_(context),
        metrics_(metrics),
        max_running_(max_running),
        domains_(context),
        queue_(context),
        cluster_(context),
        nodes_(context),
        audit_(context) {}

  Reactor* AddDomain(Context* context, const v1::AddDomainRequest* request,
                     v1::AddDomainResponse* response) override {
    return Serve(context, "AddDomain", [=, this] { return domains_.Add(request, response); });
  }
  Reactor* ListDomains(Context* context, const v1::ListDomainsRequest* request,
                       v1::ListDomainsResponse* response) override {
    return Serve(context, "ListDomains", [=, this] { return domains_.List(request, response); });
  }
  Reactor* GetDomain(Context* context, const v1::GetDomainRequest* request,
                     v1::GetDomainResponse* response) override {
    return Serve(context, "GetDomain", [=, this] { return domains_.Get(request, response); });
  }
  Reactor* RemoveDomain(Context* context, const v1::RemoveDomainRequest* request,
                        v1::RemoveDomainResponse* response) override {
    return Serve(context, "RemoveDomain", [=, this] { return domains_.Remove(request, response); });
  }
  Reactor* GetQueueSummary(Context* context, const v1::GetQueueSummaryRequest* request,
                           v1::GetQueueSummaryResponse* response) override {
    return Serve(context, "GetQueueSummary",
                 [=, this] { return queue_.Summary(request, response); });
  }
  Reactor* ListQueue(Context* context, const v1::ListQueueRequest* request,
                     v1::ListQueueResponse* response) override {
    return Serve(context, "ListQueue", [=, this] { return queue_.List(request, response); });
  }
  Reactor* GetMessage(Context* context, const v1::GetMessageRequest* request,
                      v1::GetMessageResponse* response) override {
    return Serve(context, "GetMessage", [=, this] { return queue_.GetMessage(request, response); });
  }
  Reactor* ListNodes(Context* context, const v1::ListNodesRequest* request,
                     v1::ListNodesResponse* response) override {
    return Serve(context, "ListNodes", [=, this] { return cluster_.ListNodes(request, response); });
  }
  Reactor* GetClusterStatus(Context* context, const v1::GetClusterStatusRequest* request,
                            v1::GetClusterStatusResponse* response) override {
    return Serve(context, "GetClusterStatus",
                 [=, this] { return cluster_.GetStatus(request, response); });
  }
  Reactor* DrainNode(Context* context, const v1::DrainNodeRequest* request,
                     v1::DrainNodeResponse* response) override {
    return Serve(context, "DrainNode", [=, this] { return nodes_.Drain(request, response); });
  }
  Reactor* EvictNode(Context* context, const v1::EvictNodeRequest* request,
                     v1::EvictNodeResponse* response) override {
    return Serve(context, "EvictNode", [=, this] { return nodes_.Evict(request, response); });
  }
  Reactor* Audit(Context* context, const v1::AuditRequest* request,
                 v1::AuditResponse* response) override {
    // Valid until the call has its answer.
    const auto given_up = [context] { return context->IsCancelled(); };
    return Serve(context, "Audit", [=, this] { return audit_.Audit(request, response, given_up); });
  }

 private:
  // `start` makes the coroutine of the operation; it runs when awaited.
  template <class Start>
  Reactor* Serve(Context* context, const char* method, Start start) {
    return rpc::Serve(context, context_->executor,
                      [this, method, start] { return Run(method, start()); });
  }
  net::Awaitable<absl::Status> Run(const char* method, net::Awaitable<absl::Status> operation);
  void Count(const char* method, absl::StatusCode code);

  const OperationsContext* context_;
  net::Metrics* metrics_;
  const int max_running_;
  int running_ = 0;
  DomainService domains_;
  QueueService queue_;
  ClusterService cluster_;
  NodeService nodes_;
  AuditService audit_;
  std::map<std::pair<std::string, absl::StatusCode>, net::Counter*> handled_;
};

net::Awaitable<absl::Status> OperationsService::Impl::Run(const char* method,
                                                          net::Awaitable<absl::Status> operation) {
  absl::Status status =
      absl::ResourceExhaustedError("too many operations run at this moment; try again");
  if (running_ < max_running_) {
    ++running_;
    absl::Cleanup leave = [this] { --running_; };
    status = co_await std::move(operation);
  }
  Count(method, status.code());
  co_return status;
}

void OperationsService::Impl::Count(const char* method, absl::StatusCode code) {
  net::Counter*& counter = handled_[{method, code}];
  if (!counter) {
    counter = &metrics_->MakeCounter(
        "grpc_server_handled_total", "Calls of the Operations service that have ended.",
        {{"grpc_method", method}, {"grpc_code", absl::StatusCodeToString(code)}});
  }
  counter->Increment();
}

OperationsService::OperationsService(const OperationsContext* context, net::Metrics* metrics,
                                     int max_running)
    : impl_(std::make_unique<Impl>(context, metrics, max_running)) {}
OperationsService::~OperationsService() = default;
const char* OperationsService::Name() { return v1::Operations::service_full_name(); }
grpc::Service* OperationsService::service() { return impl_.get(); }

}  // namespace fermo::coordinator
