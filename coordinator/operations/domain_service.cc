#include "coordinator/operations/domain_service.h"

#include <string>
#include <utility>
#include <vector>

#include "coordinator/membership/may_write.h"
#include "coordinator/membership/snapshot_service.h"
#include "coordinator/operations/counts_service.h"
#include "coordinator/operations/domain_name.h"
#include "coordinator/operations/facts_service.h"
#include "coordinator/operations/node_client.h"
#include "coordinator/operations/page_token.h"
#include "coordinator/operations/redundancy.h"
#include "fmt/format.h"

namespace fermo::coordinator {

namespace v1 = ::fermoposta::v1;

namespace {

absl::Status AboutField(std::string_view field, const absl::Status& status) {
  return absl::Status(status.code(), fmt::format("{}: {}", field, std::string(status.message())));
}

// Where mail must not be sent back to: what our own processes listen on.
std::vector<OwnAddress> OwnAddresses(const ClusterView& view, const ProcessTable& connected) {
  std::vector<OwnAddress> ours;
  for (const MemberRecord& member : view.LiveMembers()) {
    ours.push_back({fmt::format("the gRPC address of node {}", member.name), member.address});
  }
  for (const Process& process : connected.List()) {
    if (process.join.smtp_address.empty()) continue;
    ours.push_back({fmt::format("the SMTP listener of our own frontend {}", process.join.name),
                    process.join.smtp_address});
  }
  return ours;
}

absl::StatusOr<std::string> DomainField(const std::string& text) {
  auto name = NormalizeDomain(text);
  if (!name.ok()) return AboutField("name", name.status());
  return name;
}

absl::Status NoSuchDomain(const std::string& name) {
  return absl::NotFoundError(
      fmt::format("there is no domain {}; `fermoctl domain list` shows all", name));
}

}  // namespace

absl::StatusOr<DomainRecord> DomainService::Check(const v1::AddDomainRequest& request) const {
  auto name = DomainField(request.name());
  if (!name.ok()) return name.status();
  auto primary = ParsePrimary(request.primary());
  if (!primary.ok()) return AboutField("primary", primary.status());
  const ClusterViewPtr view = context_->config->view();
  const ProcessTable& connected = context_->connected->table();
  const absl::Status foreign = CheckNotOurs(*primary, OwnAddresses(*view, connected));
  if (!foreign.ok()) return AboutField("primary", foreign);
  if (absl::Status status = MayWrite(*view, connected); !status.ok()) return status;
  DomainRecord domain;
  domain.name = *name;
  domain.primary = *primary;
  domain.created = WallNow();
  return domain;
}

// As they are stored, if they can be met now.
net::Awaitable<absl::StatusOr<std::vector<std::string>>> DomainService::Regions(
    std::vector<std::string> asked) {
  if (asked.empty()) co_return asked;
  auto answers = co_await context_->nodes->GetStatuses(context_->config->view()->LiveMembers());
  auto regions = CheckRegions(std::move(asked), ToFacts(answers, context_->connected->table()));
  if (!regions.ok()) co_return AboutField("regions", regions.status());
  co_return regions;
}

net::Awaitable<absl::Status> DomainService::Add(const v1::AddDomainRequest* request,
                                                v1::AddDomainResponse* response) {
  auto domain = Check(*request);
  if (!domain.ok()) co_return domain.status();
  std::vector<std::string> asked(request->regions().begin(), request->regions().end());
  auto regions = co_await Regions(std::move(asked));
  if (!regions.ok()) co_return regions.status();
  domain->regions = *std::move(regions);
  ConfigStore* config = context_->config;
  std::function<absl::StatusOr<ClusterViewPtr>()> work = [config, record = *domain] {
    return config->AddDomain(record);
  };
  auto view = co_await context_->blocking->Run(std::move(work));
  if (!view.ok()) co_return view.status();
  context_->log.Info("domain_added", {{log::kDomain, domain->name},
                                      {log::kRoute, request->primary()},
                                      {log::kGeneration, (*view)->generation}});
  const DomainRecord* stored = (*view)->FindDomain(domain->name);
  if (!stored) co_return absl::AbortedError("the domain was removed again at the same time");
  ToProto(*stored, response->mutable_domain());
  const AppliedCount count =
      co_await context_->connected->WaitApplied((*view)->generation, context_->apply_limit);
  response->set_processes(count.processes);
  response->set_applied(count.applied);
  co_return absl::OkStatus();
}

net::Awaitable<absl::Status> DomainService::List(const v1::ListDomainsRequest* request,
                                                 v1::ListDomainsResponse* response) {
  auto after = DecodeDomainToken(request->page_token());
  if (!after.ok()) co_return after.status();
  const ClusterViewPtr view = context_->config->view();
  const int limit = static_cast<int>(PageSize(request->page_size()));
  for (auto it = view->domains.upper_bound(*after); it != view->domains.end(); ++it) {
    if (response->domains_size() == limit) {
      response->set_next_page_token(EncodeDomainToken(response->domains(limit - 1).name()));
      break;
    }
    ToProto(it->second, response->add_domains());
  }
  co_return absl::OkStatus();
}

net::Awaitable<absl::Status> DomainService::Get(const v1::GetDomainRequest* request,
                                                v1::GetDomainResponse* response) {
  auto name = DomainField(request->name());
  if (!name.ok()) co_return name.status();
  const ClusterViewPtr view = context_->config->view();
  const DomainRecord* domain = view->FindDomain(*name);
  if (!domain) co_return NoSuchDomain(*name);
  ToProto(*domain, response->mutable_domain());
  auto answers = co_await context_->nodes->GetStatuses(view->LiveMembers());
  for (const auto& answer : answers) {
    if (!answer.response.ok()) continue;
    for (const v1::RouteView& route : answer.response->routes()) {
      if (route.host() != domain->primary.host || route.port() != domain->primary.port) continue;
      v1::NodeRouteView* seen = response->add_routes();
      seen->set_node(answer.member.name);
      seen->set_region(answer.member.region);
      *seen->mutable_route() = route;
    }
    for (const v1::DomainQueue& queue : answer.response->domains()) {
      if (queue.domain() == *name) AddCounts(queue.counts(), response->mutable_queue());
    }
  }
  co_return absl::OkStatus();
}

// Messages that wait for the domain, by what the nodes say.
net::Awaitable<absl::StatusOr<uint64_t>> DomainService::CountWaiting(std::string name, bool force) {
  auto answers = co_await context_->nodes->GetStatuses(context_->config->view()->LiveMembers());
  uint64_t waiting = 0;
  OwnerlessCounter ownerless;
  std::vector<std::string> silent;
  for (const auto& answer : answers) {
    if (!answer.response.ok()) {
      silent.push_back(answer.member.name);
      continue;
    }
    ownerless.Add(*answer.response);
    for (const v1::DomainQueue& queue : answer.response->domains()) {
      if (queue.domain() == name) waiting += queue.counts().messages();
    }
  }
  if (!force && waiting > 0) {
    co_return absl::FailedPreconditionError(fmt::format(
        "{} messages wait for {}; let them be delivered first, or remove it with --force", waiting,
        name));
  }
  if (!force && !silent.empty()) {
    co_return absl::FailedPreconditionError(fmt::format(
        "cannot know whether mail waits for {}: no answer from {}; try again when they are back, "
        "or remove it with --force",
        name, fmt::join(silent, ", ")));
  }
  if (!force && ownerless.Messages() > 0) {
    co_return absl::FailedPreconditionError(fmt::format(
        "cannot know whether mail waits for {}: {} messages have no owner at the moment; try again "
        "when one has taken them over, or remove it with --force",
        name, ownerless.Messages()));
  }
  co_return waiting;
}

net::Awaitable<absl::Status> DomainService::Remove(const v1::RemoveDomainRequest* request,
                                                   v1::RemoveDomainResponse* response) {
  auto name = DomainField(request->name());
  if (!name.ok()) co_return name.status();
  const ClusterViewPtr present = context_->config->view();
  const absl::Status may_write = MayWrite(*present, context_->connected->table());
  if (!may_write.ok()) co_return may_write;
  if (!present->FindDomain(*name)) co_return NoSuchDomain(*name);
  auto waiting = co_await CountWaiting(*name, request->force());
  if (!waiting.ok()) co_return waiting.status();
  ConfigStore* config = context_->config;
  std::function<absl::StatusOr<ClusterViewPtr>()> work = [config, removed = *name] {
    return config->RemoveDomain(removed);
  };
  auto view = co_await context_->blocking->Run(std::move(work));
  if (!view.ok()) co_return view.status();
  context_->log.Info(
      "domain_removed",
      {{log::kDomain, *name}, {log::kCount, *waiting}, {log::kGeneration, (*view)->generation}});
  // So that a listing of frontends after this call shows it gone.
  co_await context_->connected->WaitApplied((*view)->generation, context_->apply_limit);
  response->set_waiting(*waiting);
  co_return absl::OkStatus();
}

}  // namespace fermo::coordinator
