// Asks nodes on behalf of operators: all at once or one, each with a deadline
// of its own, so that a node that is down delays an answer and never fails it.
//
// Not thread-safe: lives on the executor given and must outlive its calls.
// Failure: per node, an absl::Status for people. A node that answers under
// another id than its address is stored with counts as not answering.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/membership/records.h"
#include "fermoposta/v1/node_operations.grpc.pb.h"
#include "lib/net/asio.h"

namespace fermo::coordinator {

inline constexpr Duration kNodeDeadline = std::chrono::seconds(2);

template <class Response>
struct NodeAnswer {
  MemberRecord member;
  absl::StatusOr<Response> response = absl::UnknownError("not asked");
};

class NodeClient {
 public:
  using Status = fermoposta::v1::NodeStatus;
  using Detail = fermoposta::v1::GetStoredMessageResponse;
  using Page = fermoposta::v1::ListOwnedMessagesResponse;
  using AuditPage = fermoposta::v1::AuditOwnedSegmentsResponse;

  NodeClient(net::Executor executor, bool insecure, Duration deadline = kNodeDeadline)
      : executor_(std::move(executor)), insecure_(insecure), deadline_(deadline) {}

  // One answer for each member, in their order.
  net::Awaitable<std::vector<NodeAnswer<Status>>> GetStatuses(std::vector<MemberRecord> members);
  net::Awaitable<std::vector<NodeAnswer<Detail>>> GetMessage(std::vector<MemberRecord> members,
                                                             std::string id);
  net::Awaitable<absl::StatusOr<Page>> ListOwned(MemberRecord member, std::string domain,
                                                 std::string after, uint32_t limit);
  // One page of a node's books. It may take some deadlines, for it waits for the
  // node's disk, but not longer than `limit`.
  net::Awaitable<absl::StatusOr<AuditPage>> AuditOwned(
      MemberRecord member, fermoposta::v1::AuditOwnedSegmentsRequest request, Duration limit);

  // Drops the connections to addresses that no member has any more.
  void KeepOnly(const std::vector<MemberRecord>& members);

 private:
  using Service = fermoposta::v1::NodeOperations;
  using Stub = std::shared_ptr<Service::StubInterface>;
  absl::StatusOr<Stub> StubFor(const std::string& address);
  template <class Request, class Response, class Method>
  net::Awaitable<std::vector<NodeAnswer<Response>>> AskAll(std::vector<MemberRecord> members,
                                                           Request request, Method method);

  net::Executor executor_;
  const bool insecure_;
  const Duration deadline_;
  std::map<std::string, Stub> stubs_;  // by address
};

}  // namespace fermo::coordinator
