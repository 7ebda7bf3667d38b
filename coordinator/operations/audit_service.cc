#include "coordinator/operations/audit_service.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "coordinator/operations/audit_merge_service.h"
#include "coordinator/operations/domain_name.h"
#include "coordinator/operations/node_client.h"
#include "lib/net/event.h"

namespace fermo::coordinator {

namespace v1 = ::fermoposta::v1;

namespace {

constexpr Duration kDefaultBudget = std::chrono::seconds(7);
constexpr Duration kMaxBudget = std::chrono::hours(1);
// The nodes' last calls end with the budget; this guards against one that gRPC
// forgets.
constexpr Duration kGuard = std::chrono::seconds(1);
constexpr char kNotInTime[] = "it was not done in time: allow more with --timeout";

// What the coroutines of one audit share.
struct AuditRun {
  AuditRun(net::Executor executor, Instant end, std::function<bool()> gone)
      : until(end), given_up(std::move(gone)), complete(std::move(executor)) {}

  const Instant until;
  std::function<bool()> given_up;
  AuditMerge merge;
  std::set<std::string> running;  // names of nodes
  bool over = false;              // the call has ended, and `given_up` with it
  net::Event complete;
};

Duration BudgetOf(uint32_t millis) {
  if (millis == 0) return kDefaultBudget;
  return std::min<Duration>(std::chrono::milliseconds(millis), kMaxBudget);
}

net::Awaitable<void> AuditNode(NodeClient* nodes, std::shared_ptr<AuditRun> run,
                               MemberRecord member, std::string domain) {
  v1::AuditOwnedSegmentsRequest request;
  request.set_domain(domain);
  bool more = true;
  while (more && !run->over && !run->given_up()) {
    const Duration left = run->until - BootClock::now();
    if (left <= Duration::zero()) {
      run->merge.NotAudited(member.name, kNotInTime);
      break;
    }
    auto page = co_await nodes->AuditOwned(member, request, left);
    if (run->over) break;
    if (!page.ok()) {
      const bool late = BootClock::now() >= run->until;
      run->merge.NotAudited(member.name, late ? kNotInTime : std::string(page.status().message()));
      break;
    }
    run->merge.Take(member.name, *page);
    more = page->has_next();
    if (more) *request.mutable_from() = page->next();
  }
  run->running.erase(member.name);
  if (run->running.empty()) run->complete.Set();
}

}  // namespace

net::Awaitable<absl::Status> AuditService::Audit(const v1::AuditRequest* request,
                                                 v1::AuditResponse* response,
                                                 std::function<bool()> given_up) {
  auto domain = DomainFilter(request->domain());
  if (!domain.ok()) co_return domain.status();
  const Instant until = BootClock::now() + BudgetOf(request->budget_millis());
  auto run = std::make_shared<AuditRun>(context_->executor, until, std::move(given_up));
  const std::vector<MemberRecord> members = context_->config->view()->LiveMembers();
  const auto before = co_await context_->nodes->GetStatuses(members);
  for (const auto& answer : before) {
    if (!answer.response.ok()) {
      run->merge.NotAudited(answer.member.name, std::string(answer.response.status().message()));
      continue;
    }
    run->merge.Before(answer.member.name, *answer.response);
    run->running.insert(answer.member.name);
  }
  const bool any = !run->running.empty();
  for (const auto& answer : before) {
    if (!answer.response.ok()) continue;
    net::Spawn(context_->executor, AuditNode(context_->nodes, run, answer.member, *domain));
  }
  const Duration limit = until - BootClock::now() + kGuard;
  if (any) co_await run->complete.WaitFor(limit);
  const bool given = run->given_up();
  run->over = true;
  for (const std::string& name : run->running) run->merge.NotAudited(name, kNotInTime);
  if (given) co_return absl::CancelledError("nobody waits for the audit any more");
  const auto after = co_await context_->nodes->GetStatuses(members);
  for (size_t i = 0; i < after.size(); ++i) {
    const auto& answer = after[i].response.ok() ? after[i] : before[i];
    if (answer.response.ok()) run->merge.After(answer.member.name, *answer.response);
  }
  run->merge.Fill(response);
  co_return absl::OkStatus();
}

}  // namespace fermo::coordinator
