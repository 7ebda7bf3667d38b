#include "coordinator/operations/facts_service.h"

#include <utility>

namespace fermo::coordinator {

namespace v1 = ::fermoposta::v1;

NodeFacts ToFacts(const NodeAnswer<NodeClient::Status>& answer, const ProcessTable& connected) {
  NodeFacts facts;
  facts.member = answer.member;
  facts.answered = answer.response.ok();
  facts.connected = connected.FindNode(answer.member.node) != nullptr;
  facts.disconnected_at = connected.DisconnectedAt(answer.member.node);
  if (!facts.answered) {
    facts.error = std::string(answer.response.status().message());
    return facts;
  }
  const v1::NodeStatus& status = *answer.response;
  facts.ready = status.ready();
  facts.not_ready_reason = status.not_ready_reason();
  facts.copies = status.copies();
  facts.write_copies = status.write_copies();
  facts.min_regions = status.min_regions();
  facts.drains = status.draining();
  facts.to_hand_over = status.to_hand_over();
  facts.repairs = status.repairs();
  facts.under_replicated = status.under_replicated();
  facts.at_risk = status.at_risk();
  facts.surviving_segments = status.surviving_segments();
  facts.suspect = status.suspect();
  return facts;
}

std::vector<NodeFacts> ToFacts(const std::vector<NodeAnswer<NodeClient::Status>>& answers,
                               const ProcessTable& connected) {
  std::vector<NodeFacts> facts;
  for (const auto& answer : answers) facts.push_back(ToFacts(answer, connected));
  return facts;
}

Holdings ToHoldings(const NodeAnswer<NodeClient::Status>& answer) {
  Holdings holdings;
  holdings.node = answer.member.node;
  holdings.answered = answer.response.ok();
  if (!holdings.answered) return holdings;
  for (const v1::HeldSegment& held : answer.response->held_segments()) {
    HeldCopy copy;
    copy.segment.writer = NodeId(held.id().writer());
    copy.segment.boot = held.id().boot();
    copy.segment.number = held.id().number();
    copy.messages = held.messages();
    for (const uint64_t holder : held.holders()) copy.holders.push_back(NodeId(holder));
    holdings.held.push_back(std::move(copy));
  }
  return holdings;
}

}  // namespace fermo::coordinator
