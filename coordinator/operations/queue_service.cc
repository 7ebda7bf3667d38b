#include "coordinator/operations/queue_service.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "coordinator/operations/counts_service.h"
#include "coordinator/operations/domain_name.h"
#include "coordinator/operations/node_client.h"
#include "coordinator/operations/page_token.h"
#include "coordinator/operations/queue_pager.h"
#include "fmt/format.h"

namespace fermo::coordinator {

namespace v1 = ::fermoposta::v1;

namespace {

// A page that has taken this long is given as it is; the token goes on.
constexpr Duration kListBudget = std::chrono::seconds(5);
// So is one that has grown to this, since clients bound what they receive.
constexpr size_t kPageBytes = 1 << 20;
constexpr size_t kChunkMessages = 200;  // asked of a node at a time

// Moves a node's messages to the response; returns the id of the last one.
std::string TakeMessages(const MemberRecord& member, NodeClient::Page& page,
                         v1::ListQueueResponse* response) {
  std::string last;
  for (v1::QueuedMessage& message : *page.mutable_messages()) {
    last = message.id();
    if (message.owner().empty()) message.set_owner(member.name);
    *response->add_messages() = std::move(message);
  }
  return last;
}

}  // namespace

net::Awaitable<absl::Status> QueueService::Summary(const v1::GetQueueSummaryRequest*,
                                                   v1::GetQueueSummaryResponse* response) {
  auto answers = co_await context_->nodes->GetStatuses(context_->config->view()->LiveMembers());
  std::map<std::string, v1::QueueCounts> by_domain;
  OwnerlessCounter ownerless;
  for (const auto& answer : answers) {
    if (!answer.response.ok()) {
      response->add_unreachable_nodes(answer.member.name);
      continue;
    }
    AddCounts(answer.response->owned(), response->mutable_total());
    ownerless.Add(*answer.response);
    for (const v1::DomainQueue& queue : answer.response->domains()) {
      AddCounts(queue.counts(), &by_domain[queue.domain()]);
    }
  }
  response->set_ownerless_messages(ownerless.Messages());
  for (auto& [domain, counts] : by_domain) {
    if (counts.messages() == 0) continue;
    v1::DomainQueue* queue = response->add_domains();
    queue->set_domain(domain);
    *queue->mutable_counts() = counts;
  }
  co_return absl::OkStatus();
}

net::Awaitable<absl::Status> QueueService::List(const v1::ListQueueRequest* request,
                                                v1::ListQueueResponse* response) {
  auto domain = DomainFilter(request->domain());
  if (!domain.ok()) co_return domain.status();
  auto cursor = DecodeQueueToken(request->page_token(), *domain);
  if (!cursor.ok()) co_return cursor.status();
  const ClusterViewPtr view = context_->config->view();
  std::vector<NodeId> nodes;
  for (const MemberRecord& member : view->LiveMembers()) nodes.push_back(member.node);
  QueuePager pager(std::move(nodes), *cursor, PageSize(request->page_size()));
  const Instant begin = BootClock::now();
  size_t chunk = kChunkMessages;
  while (auto ask = pager.Next()) {
    if (BootClock::now() - begin > kListBudget || response->ByteSizeLong() > kPageBytes) break;
    const MemberRecord member = *view->FindMember(ask->node);
    const size_t limit = std::min(ask->limit, chunk);
    auto page = co_await context_->nodes->ListOwned(member, *domain, ask->after,
                                                    static_cast<uint32_t>(limit));
    if (absl::IsResourceExhausted(page.status()) && limit > 1) {
      chunk = std::max<size_t>(limit / 4, 1);  // messages of very many recipients
      continue;
    }
    if (!page.ok()) {
      response->add_unreachable_nodes(member.name);
      pager.Failed();
      continue;
    }
    const std::string last = TakeMessages(member, *page, response);
    pager.Answered(page->messages_size(), last, page->more());
  }
  if (auto next = pager.Cursor()) response->set_next_page_token(EncodeQueueToken(*domain, *next));
  co_return absl::OkStatus();
}

net::Awaitable<absl::Status> QueueService::GetMessage(const v1::GetMessageRequest* request,
                                                      v1::GetMessageResponse* response) {
  auto id = ParseMessageId(request->id());
  if (!id.ok()) {
    co_return absl::InvalidArgumentError(fmt::format("id: {}", std::string(id.status().message())));
  }
  auto answers =
      co_await context_->nodes->GetMessage(context_->config->view()->LiveMembers(), ToString(*id));
  for (auto& answer : answers) {
    if (!answer.response.ok()) {
      response->add_unreachable_nodes(answer.member.name);
      continue;
    }
    if (!answer.response->has_detail()) continue;
    v1::MessageCopy* copy = response->add_copies();
    copy->set_node(answer.member.name);
    copy->set_region(answer.member.region);
    *copy->mutable_detail() = std::move(*answer.response->mutable_detail());
  }
  if (response->copies_size() > 0) co_return absl::OkStatus();
  if (response->unreachable_nodes_size() > 0) {
    co_return absl::UnavailableError(
        fmt::format("no node that answers knows message {}, but {} did not answer; ask again when "
                    "they are back",
                    request->id(), fmt::join(response->unreachable_nodes(), ", ")));
  }
  co_return absl::NotFoundError(fmt::format(
      "no node knows message {}: it was never accepted, or it is finished and its segment closed",
      request->id()));
}

}  // namespace fermo::coordinator
