#include "coordinator/operations/cluster_service.h"

#include <utility>

#include "coordinator/membership/snapshot_service.h"
#include "coordinator/operations/counts_service.h"
#include "coordinator/operations/facts_service.h"
#include "coordinator/operations/node_client.h"
#include "coordinator/operations/problems.h"
#include "fermoposta/v1/control.pb.h"
#include "lib/rpc/convert.h"

namespace fermo::coordinator {

namespace v1 = ::fermoposta::v1;

namespace {

void Fill(const NodeAnswer<v1::NodeStatus>& answer, v1::NodeInfo* out) {
  ToProto(answer.member, out->mutable_member());
  out->set_reachable(answer.response.ok());
  if (answer.response.ok()) {
    *out->mutable_status() = *answer.response;
  } else {
    out->set_error(std::string(answer.response.status().message()));
  }
}

}  // namespace

net::Awaitable<absl::Status> ClusterService::ListNodes(const v1::ListNodesRequest*,
                                                       v1::ListNodesResponse* response) {
  auto answers = co_await context_->nodes->GetStatuses(context_->config->view()->LiveMembers());
  for (const auto& answer : answers) Fill(answer, response->add_nodes());
  co_return absl::OkStatus();
}

net::Awaitable<absl::Status> ClusterService::GetStatus(const v1::GetClusterStatusRequest*,
                                                       v1::GetClusterStatusResponse* response) {
  auto answers = co_await context_->nodes->GetStatuses(context_->config->view()->LiveMembers());
  // Read after the nodes have answered, so that all belongs to one moment.
  const ClusterViewPtr view = context_->config->view();
  const ProcessTable& connected = context_->connected->table();
  response->set_cluster_uuid(view->cluster_uuid);
  response->set_generation(view->generation);
  response->set_domains(static_cast<uint32_t>(view->domains.size()));
  OwnerlessCounter ownerless;
  ClusterFacts facts;
  facts.generation = view->generation;
  facts.coordinator_started = context_->started;
  facts.processes = connected.List();
  for (const auto& answer : answers) {
    Fill(answer, response->add_nodes());
    if (answer.response.ok()) {
      AddCounts(answer.response->owned(), response->mutable_queue());
      ownerless.Add(*answer.response);
    }
  }
  facts.nodes = ToFacts(answers, connected);
  response->set_ownerless_messages(ownerless.Messages());
  for (const Process& process : facts.processes) {
    v1::ConnectedProcess* out = response->add_processes();
    rpc::ToProto(process.join, out->mutable_join());
    out->set_applied_generation(process.applied_generation);
  }
  for (std::string& problem : FindProblems(facts)) response->add_problems(std::move(problem));
  co_return absl::OkStatus();
}

}  // namespace fermo::coordinator
