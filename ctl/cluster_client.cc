#include "ctl/cluster_client.h"

#include <ostream>

#include "ctl/human.h"
#include "ctl/json_client.h"
#include "ctl/node_client.h"
#include "ctl/table.h"
#include "ctl/views_client.h"

namespace fermo::ctl {

namespace v1 = ::fermoposta::v1;
using Stub = Session::Stub;

namespace {

std::string RoleOf(v1::Role role) {
  switch (role) {
    case v1::ROLE_NODE:
      return "node";
    case v1::ROLE_SMTP_FRONTEND:
      return "smtp-frontend";
    case v1::ROLE_COORDINATOR:
      return "coordinator";
    default:
      return "unknown";
  }
}

std::string RenderProcesses(const v1::GetClusterStatusResponse& response, size_t width) {
  Table table({{"CONNECTED", false, true},
               {"ROLE"},
               {"REGION"},
               {"ADDRESS"},
               {"GENERATION", true},
               {"VERSION"}});
  for (const v1::ConnectedProcess& process : response.processes()) {
    const v1::Join& join = process.join();
    const std::string& address =
        join.smtp_address().empty() ? join.advertise_address() : join.smtp_address();
    table.Add({Printable(join.name()), RoleOf(join.role()), Printable(join.region()),
               Printable(address), std::to_string(process.applied_generation()),
               PathOf(join.version())});
  }
  return table.Render(width);
}

}  // namespace

absl::Status ClusterStatus(Session& session) {
  v1::GetClusterStatusResponse response;
  absl::Status status =
      session.Call(&Stub::GetClusterStatus, v1::GetClusterStatusRequest(), &response);
  if (!status.ok()) return status;
  std::ostream& out = session.out();
  if (session.json()) {
    out << ToJson(response);
    return absl::OkStatus();
  }
  out << "Cluster:  " << response.cluster_uuid() << ", generation " << response.generation() << ", "
      << Count(response.domains(), "domain") << "\n"
      << "Waiting:  " << CountsLine(response.queue(), response.ownerless_messages(), session.now())
      << "\n";
  CopyTrouble trouble;
  for (const v1::NodeInfo& node : response.nodes()) trouble.Add(node.status());
  if (trouble.Any()) out << "Copies:   " << trouble.Line() << "\n";
  if (response.nodes_size() > 0) out << "\n" << RenderNodes(response.nodes(), session.width());
  if (response.processes_size() > 0) out << "\n" << RenderProcesses(response, session.width());
  out << "\n";
  if (response.problems_size() == 0) out << "No problems.\n";
  for (const std::string& problem : response.problems()) {
    out << "Problem: " << Printable(problem) << "\n";
  }
  return absl::OkStatus();
}

}  // namespace fermo::ctl
