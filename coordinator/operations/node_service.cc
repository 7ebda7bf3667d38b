#include "coordinator/operations/node_service.h"

#include <functional>
#include <string>
#include <utility>

#include "coordinator/membership/may_write.h"
#include "coordinator/membership/snapshot_service.h"
#include "coordinator/operations/facts_service.h"
#include "coordinator/operations/leaving.h"
#include "coordinator/operations/node_client.h"
#include "coordinator/operations/sole_copies.h"
#include "fmt/format.h"

namespace fermo::coordinator {

namespace v1 = ::fermoposta::v1;

namespace {

constexpr size_t kMaxReason = 500;

absl::Status CheckReason(const std::string& reason) {
  if (reason.size() <= kMaxReason) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("reason: is longer than {} octets", kMaxReason));
}

// Whether the node may be changed at all, by this coordinator.
absl::StatusOr<MemberRecord> CheckRequest(const OperationsContext& context, const std::string& node,
                                          const std::string& reason) {
  if (absl::Status status = CheckReason(reason); !status.ok()) return status;
  const ClusterViewPtr view = context.config->view();
  auto member = FindNode(*view, node);
  if (!member.ok()) return member.status();
  if (absl::Status status = MayWrite(*view, context.connected->table()); !status.ok()) {
    return status;
  }
  return member;
}

// The id of a node that is gone for good already.
bool IsEvicted(const ClusterView& view, const std::string& text) {
  const auto id = ParseNodeId(text);
  return id.ok() && view.evicted.contains(*id);
}

template <class Response>
void AddWarnings(const LeaveVerdict& verdict, Response* response) {
  for (const std::string& warning : verdict.warnings) response->add_warnings(warning);
}

}  // namespace

net::Awaitable<absl::Status> NodeService::Drain(const v1::DrainNodeRequest* request,
                                                v1::DrainNodeResponse* response) {
  auto member = CheckRequest(*context_, request->node(), request->reason());
  if (!member.ok()) co_return member.status();
  const bool draining = !request->cancel();
  if (member->draining == draining) {
    response->add_warnings(draining ? fmt::format("{} is draining already.", member->name)
                                    : fmt::format("{} was not draining.", member->name));
    ToProto(*member, response->mutable_member());
    co_return absl::OkStatus();
  }
  if (draining) {
    const ClusterViewPtr view = context_->config->view();
    auto answers = co_await context_->nodes->GetStatuses(view->LiveMembers());
    LeaveVerdict verdict =
        JudgeDrain(*view, *member, ToFacts(answers, context_->connected->table()));
    const absl::Status allowed = verdict.Decide(request->force());
    if (!allowed.ok()) co_return allowed;
    AddWarnings(verdict, response);
  }
  if (!request->dry_run()) {
    const absl::Status stored = co_await SetDraining(*member, draining, request->reason());
    if (!stored.ok()) co_return stored;
    member->draining = draining;
  }
  ToProto(*member, response->mutable_member());
  co_return absl::OkStatus();
}

net::Awaitable<absl::Status> NodeService::SetDraining(MemberRecord member, bool draining,
                                                      std::string reason) {
  ConfigStore* config = context_->config;
  std::function<absl::StatusOr<ClusterViewPtr>()> work = [config, node = member.node, draining] {
    return config->SetDraining(node, draining);
  };
  auto view = co_await context_->blocking->Run(std::move(work));
  if (!view.ok()) co_return view.status();
  const char* event = draining ? "node_draining" : "node_drain_cancelled";
  context_->log.Info(event, {{log::kNode, member.node},
                             {log::kPeer, member.name},
                             {log::kRegion, member.region},
                             {log::kReason, reason},
                             {log::kGeneration, (*view)->generation}});
  co_await context_->connected->WaitApplied((*view)->generation, context_->apply_limit);
  co_return absl::OkStatus();
}

net::Awaitable<absl::Status> NodeService::Evict(const v1::EvictNodeRequest* request,
                                                v1::EvictNodeResponse* response) {
  const ClusterViewPtr view = context_->config->view();
  if (IsEvicted(*view, request->node())) {
    response->mutable_member()->set_node(ParseNodeId(request->node())->value());
    response->add_warnings(fmt::format("{} has been evicted already.", request->node()));
    co_return absl::OkStatus();
  }
  auto member = CheckRequest(*context_, request->node(), request->reason());
  if (!member.ok()) co_return member.status();
  auto answers = co_await context_->nodes->GetStatuses(view->LiveMembers());
  std::vector<Holdings> holdings;
  for (const auto& answer : answers) holdings.push_back(ToHoldings(answer));
  const SoleCopies sole = CountSoleCopies(member->node, holdings);
  LeaveVerdict verdict =
      JudgeEviction(*view, *member, ToFacts(answers, context_->connected->table()), sole);
  const absl::Status allowed = verdict.Decide(request->force());
  if (!allowed.ok()) co_return allowed;
  AddWarnings(verdict, response);
  response->set_sole_copies(sole.messages);
  ToProto(*member, response->mutable_member());
  if (request->dry_run()) co_return absl::OkStatus();
  absl::Status stored = co_await StoreEviction(*member, sole.messages, request->reason());
  co_return stored;
}

net::Awaitable<absl::Status> NodeService::StoreEviction(MemberRecord member, uint64_t sole_copies,
                                                        std::string reason) {
  ConfigStore* config = context_->config;
  std::function<absl::StatusOr<ClusterViewPtr>()> work = [config, node = member.node] {
    return config->Evict(node);
  };
  auto view = co_await context_->blocking->Run(std::move(work));
  if (!view.ok()) co_return view.status();
  context_->log.Warning("node_evicted", {{log::kNode, member.node},
                                         {log::kPeer, member.name},
                                         {log::kRegion, member.region},
                                         {log::kCount, sole_copies},
                                         {log::kReason, reason},
                                         {log::kGeneration, (*view)->generation}});
  co_await context_->connected->WaitApplied((*view)->generation, context_->apply_limit);
  co_return absl::OkStatus();
}

}  // namespace fermo::coordinator
