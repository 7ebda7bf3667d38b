// What operators and metrics see of the queue.
#include <algorithm>

#include "node/delivery/delivery_queue.h"

namespace fermo::node {

size_t DeliveryQueue::CountReady(RouteIndex route, size_t limit,
                                 const std::function<bool(const SegmentId&)>& permitted) const {
  if (route >= route_queues_.size()) return 0;
  size_t count = 0;
  for (const auto& [key, bitmap] : route_queues_[route].ready) {
    if (count >= limit) break;
    if (permitted(key.id)) count += bitmap.cardinality();
  }
  return std::min(count, limit);
}

bool DeliveryQueue::HasReady(RouteIndex route) const {
  return route < route_queues_.size() && !route_queues_[route].ready.empty();
}

uint64_t DeliveryQueue::WaitingLegs(RouteIndex route) const {
  if (route == kNoRoute) return legs_without_route_;
  return route < route_queues_.size() ? route_queues_[route].legs : 0;
}

QueueCounts DeliveryQueue::Totals() const {
  QueueCounts counts{legs_, messages_, bytes_, std::nullopt};
  for (const auto& [id, segment] : segments_) {
    const WallTime received = segment.messages.ReceivedAt(*segment.messages.Next(0));
    counts.oldest = std::min(counts.oldest.value_or(received), received);
  }
  return counts;
}

QueueCounts DeliveryQueue::CountsOf(DomainIndex domain) const {
  if (domain >= domain_queues_.size()) return {};
  const DomainQueue& queue = domain_queues_[domain];
  QueueCounts counts{queue.legs, queue.messages, queue.bytes, std::nullopt};
  for (const auto& [id, bitmap] : queue.waiting) {
    const WallTime received = segments_.at(id).messages.ReceivedAt(bitmap.minimum());
    counts.oldest = std::min(counts.oldest.value_or(received), received);
  }
  return counts;
}

std::vector<WaitingMessage> DeliveryQueue::List(std::optional<DomainIndex> domain,
                                                std::optional<MessageId> after,
                                                size_t limit) const {
  std::vector<WaitingMessage> found;
  const auto first = after ? segments_.lower_bound(after->segment) : segments_.begin();
  for (auto it = first; it != segments_.end() && found.size() < limit; ++it) {
    const bool resumed = after && after->segment == it->first;
    uint32_t from = resumed ? after->seq.value() + 1 : 0;
    while (found.size() < limit) {
      const std::optional<uint32_t> seq = NextWaiting(*it, domain, from);
      if (!seq) break;
      found.push_back(Describe(it->second, MessageId{it->first, Seq(*seq)}));
      from = *seq + 1;
    }
  }
  return found;
}

std::optional<uint32_t> DeliveryQueue::NextWaiting(
    const std::pair<const SegmentId, Segment>& segment, std::optional<DomainIndex> domain,
    uint32_t from) const {
  if (!domain) return segment.second.messages.Next(from);
  if (*domain >= domain_queues_.size()) return std::nullopt;
  const auto& waiting = domain_queues_[*domain].waiting;
  const auto it = waiting.find(segment.first);
  if (it == waiting.end() || it->second.maximum() < from) return std::nullopt;
  auto position = it->second.begin();
  position.equalorlarger(from);
  return *position;
}

std::optional<WaitingMessage> DeliveryQueue::Find(const MessageId& id) const {
  const Segment* segment = FindSegment(id);
  if (segment == nullptr) return std::nullopt;
  return Describe(*segment, id);
}

WaitingMessage DeliveryQueue::Describe(const Segment& segment, const MessageId& id) const {
  WaitingMessage message;
  message.id = id;
  message.bytes = segment.messages.SizeOf(id.seq.value());
  message.received_at = segment.messages.ReceivedAt(id.seq.value());
  const auto flight = in_flight_.find(id);
  const std::vector<LegEntry> legs = segment.messages.LegsOf(id.seq.value());
  for (uint32_t leg = 0; leg < legs.size(); ++leg) {
    WaitingLeg& view = message.legs.emplace_back();
    view.leg = leg;
    if (legs[leg].done) {
      view.state = WaitingLeg::State::kDone;
    } else if (flight != in_flight_.end() && std::find(flight->second.begin(), flight->second.end(),
                                                       leg) != flight->second.end()) {
      view.state = WaitingLeg::State::kInFlight;
    }
    const LegHistory* history = FindHistory(id, leg);
    if (history == nullptr) continue;
    view.attempts = history->attempts;
    if (history->reply != nullptr) view.last_reply = *history->reply;
    view.next_attempt = history->next_attempt;
  }
  return message;
}

}  // namespace fermo::node
