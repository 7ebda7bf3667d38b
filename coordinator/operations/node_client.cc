#include "coordinator/operations/node_client.h"

#include <algorithm>
#include <set>

#include "fmt/format.h"
#include "lib/net/event.h"
#include "lib/rpc/channel.h"
#include "lib/rpc/unary.h"

namespace fermo::coordinator {

namespace v1 = ::fermoposta::v1;

namespace {

using Async = v1::NodeOperations::StubInterface::async_interface;
template <class Request, class Response>
using UnaryMethod = void (Async::*)(grpc::ClientContext*, const Request*, Response*,
                                    std::function<void(grpc::Status)>);

// Answers that come one by one, and the event that says that all are there.
template <class Response>
struct Gathering {
  Gathering(net::Executor executor, size_t count) : missing(count), complete(executor) {}
  std::vector<NodeAnswer<Response>> answers;
  size_t missing;
  net::Event complete;

  void Arrived(size_t index, absl::StatusOr<Response> response) {
    answers[index].response = std::move(response);
    if (--missing == 0) complete.Set();
  }
};

template <class Request, class Response>
net::Awaitable<void> AskOne(std::shared_ptr<Gathering<Response>> gathering, size_t index,
                            std::shared_ptr<v1::NodeOperations::StubInterface> stub,
                            UnaryMethod<Request, Response> method, Request request,
                            Duration deadline) {
  auto response = co_await rpc::Call(stub->async(), method, std::move(request), deadline);
  gathering->Arrived(index, std::move(response));
}

// One listing page as a node may fill it: bounded by us, not by the node.
constexpr uint32_t kMaxNodePage = 1000;
// A page of an audit reads for half a second, behind what waits for the disk.
constexpr int kAuditDeadlines = 5;

}  // namespace

absl::StatusOr<NodeClient::Stub> NodeClient::StubFor(const std::string& address) {
  const auto known = stubs_.find(address);
  if (known != stubs_.end()) return known->second;
  rpc::ChannelOptions options;
  options.insecure = insecure_;
  options.max_receive_bytes = rpc::kMaxOperationsBytes;
  auto channel = rpc::Dial(address, options);
  if (!channel.ok()) return channel.status();
  Stub stub = Service::NewStub(*channel);
  stubs_.emplace(address, stub);
  return stub;
}

template <class Request, class Response, class Method>
net::Awaitable<std::vector<NodeAnswer<Response>>> NodeClient::AskAll(
    std::vector<MemberRecord> members, Request request, Method method) {
  auto gathering = std::make_shared<Gathering<Response>>(executor_, members.size());
  for (const MemberRecord& member : members) {
    NodeAnswer<Response> answer;
    answer.member = member;
    gathering->answers.push_back(std::move(answer));
  }
  for (size_t i = 0; i < members.size(); ++i) {
    auto stub = StubFor(members[i].address);
    if (!stub.ok()) {
      gathering->Arrived(i, stub.status());
      continue;
    }
    net::Spawn(executor_,
               AskOne<Request, Response>(gathering, i, *stub, method, request, deadline_));
  }
  // Every call has its own deadline; the second on top only guards against a
  // call that gRPC forgets.
  if (!members.empty()) co_await gathering->complete.WaitFor(deadline_ + std::chrono::seconds(1));
  co_return gathering->answers;
}

net::Awaitable<std::vector<NodeAnswer<NodeClient::Status>>> NodeClient::GetStatuses(
    std::vector<MemberRecord> members) {
  v1::GetNodeStatusRequest request;
  UnaryMethod<v1::GetNodeStatusRequest, v1::GetNodeStatusResponse> method = &Async::GetNodeStatus;
  auto answers = co_await AskAll<v1::GetNodeStatusRequest, v1::GetNodeStatusResponse>(
      std::move(members), std::move(request), method);
  std::vector<NodeAnswer<Status>> statuses;
  for (auto& answer : answers) {
    NodeAnswer<Status> status;
    status.member = answer.member;
    if (!answer.response.ok()) {
      status.response = answer.response.status();
    } else if (answer.response->status().node() != answer.member.node.value()) {
      status.response = absl::FailedPreconditionError(
          fmt::format("another node, {}, answers at {}",
                      ToString(NodeId(answer.response->status().node())), answer.member.address));
    } else {
      status.response = std::move(*answer.response->mutable_status());
    }
    statuses.push_back(std::move(status));
  }
  co_return statuses;
}

net::Awaitable<std::vector<NodeAnswer<NodeClient::Detail>>> NodeClient::GetMessage(
    std::vector<MemberRecord> members, std::string id) {
  v1::GetStoredMessageRequest request;
  request.set_id(id);
  UnaryMethod<v1::GetStoredMessageRequest, Detail> method = &Async::GetStoredMessage;
  auto answers = co_await AskAll<v1::GetStoredMessageRequest, Detail>(std::move(members),
                                                                      std::move(request), method);
  co_return answers;
}

net::Awaitable<absl::StatusOr<NodeClient::Page>> NodeClient::ListOwned(MemberRecord member,
                                                                       std::string domain,
                                                                       std::string after,
                                                                       uint32_t limit) {
  auto stub = StubFor(member.address);
  if (!stub.ok()) co_return stub.status();
  v1::ListOwnedMessagesRequest request;
  request.set_domain(domain);
  request.set_after(after);
  request.set_limit(std::min(limit, kMaxNodePage));
  UnaryMethod<v1::ListOwnedMessagesRequest, Page> method = &Async::ListOwnedMessages;
  Stub kept = *stub;
  auto page = co_await rpc::Call(kept->async(), method, std::move(request), deadline_);
  co_return page;
}

net::Awaitable<absl::StatusOr<NodeClient::AuditPage>> NodeClient::AuditOwned(
    MemberRecord member, v1::AuditOwnedSegmentsRequest request, Duration limit) {
  auto stub = StubFor(member.address);
  if (!stub.ok()) co_return stub.status();
  UnaryMethod<v1::AuditOwnedSegmentsRequest, AuditPage> method = &Async::AuditOwnedSegments;
  Stub kept = *stub;
  const Duration deadline = std::min(limit, deadline_ * kAuditDeadlines);
  auto page = co_await rpc::Call(kept->async(), method, std::move(request), deadline);
  co_return page;
}

void NodeClient::KeepOnly(const std::vector<MemberRecord>& members) {
  std::set<std::string> addresses;
  for (const MemberRecord& member : members) addresses.insert(member.address);
  std::erase_if(stubs_,
                [&addresses](const auto& entry) { return !addresses.contains(entry.first); });
}

}  // namespace fermo::coordinator
