#include "node/delivery/delivery_queue.h"

#include <algorithm>
#include <utility>

#include "lib/spool/retry.h"

namespace fermo::node {

void DeliveryQueue::Add(const MessageId& id, std::vector<LegEntry> legs, uint64_t size,
                        WallTime received_at, Instant not_before, Instant now) {
  const auto waiting = [](const LegEntry& leg) { return !leg.done; };
  if (std::none_of(legs.begin(), legs.end(), waiting)) return;
  const auto it =
      segments_.try_emplace(id.segment, Segment{received_at, MessageTable(received_at)}).first;
  MessageTable& messages = it->second.messages;
  if (messages.Contains(id.seq.value())) {
    Hasten(id, not_before, now);
    return;
  }
  messages.Insert(id.seq.value(), size, received_at, legs);
  const uint64_t stored_size = messages.SizeOf(id.seq.value());
  ++messages_;
  bytes_ += stored_size;
  if (in_flight_.contains(id)) {
    ++in_flight_counts_.messages;
    in_flight_counts_.bytes += stored_size;
  }
  for (uint32_t leg = 0; leg < legs.size(); ++leg) {
    if (legs[leg].done) continue;
    Count(id, legs[leg].domain, stored_size);
    if (not_before > now) HistoryOf(id, leg).next_attempt = not_before;
  }
  Refresh(id, now);
}

// Added again: an earlier owner's announcement is settled, its grace need not
// be waited out. Back-off after an attempt of our own stays.
void DeliveryQueue::Hasten(const MessageId& id, Instant not_before, Instant now) {
  const auto it = histories_.find(id);
  if (it == histories_.end()) return;
  for (LegHistory& history : it->second.legs) {
    if (history.attempts > 0 || !history.next_attempt) continue;
    history.next_attempt = std::min(*history.next_attempt, not_before);
  }
  Refresh(id, now);
}

void DeliveryQueue::LegsDone(const MessageId& id, const std::vector<uint32_t>& legs, Instant now) {
  MarkDone(id, legs);
  Refresh(id, now);
}

void DeliveryQueue::DropSegment(const SegmentId& segment) {
  const auto it = segments_.find(segment);
  if (it == segments_.end()) return;
  std::vector<uint32_t> seqs;
  for (auto seq = it->second.messages.Next(0); seq; seq = it->second.messages.Next(*seq + 1)) {
    seqs.push_back(*seq);
  }
  for (const uint32_t seq : seqs) {
    std::vector<uint32_t> legs(it->second.messages.LegsOf(seq).size());
    for (uint32_t leg = 0; leg < legs.size(); ++leg) legs[leg] = leg;
    MarkDone(MessageId{segment, Seq(seq)}, legs);  // the last one removes the segment
  }
}

void DeliveryQueue::Reroute(DomainIndex domain, RouteIndex route, Instant now) {
  const RouteIndex old_route = domains_.RouteOf(domain);
  if (old_route == route) return;
  domains_.Assign(domain, route);
  const DomainQueue& queue = DomainAt(domain);
  AddRouteLegs(old_route, -static_cast<int64_t>(queue.legs));
  AddRouteLegs(route, static_cast<int64_t>(queue.legs));
  for (const auto& [segment_id, bitmap] : queue.waiting) {
    const SegmentKey key{segments_.at(segment_id).first_received, segment_id};
    for (const uint32_t seq : bitmap) {
      SetReady(key, seq, old_route, false);
      Refresh(MessageId{segment_id, Seq(seq)}, now);
    }
  }
}

std::optional<TakenMessage> DeliveryQueue::Take(
    RouteIndex route, Instant now, const std::function<bool(const SegmentId&)>& permitted) {
  if (route >= route_queues_.size()) return std::nullopt;
  for (const auto& [key, ready] : route_queues_[route].ready) {
    if (!permitted(key.id)) continue;
    const Segment& segment = segments_.at(key.id);
    TakenMessage taken;
    taken.id = MessageId{key.id, Seq(ready.minimum())};
    taken.legs = DueLegs(segment, taken.id, route, now);
    taken.received_at = segment.messages.ReceivedAt(taken.id.seq.value());
    in_flight_[taken.id] = taken.legs;
    ++in_flight_counts_.messages;
    in_flight_counts_.bytes += segment.messages.SizeOf(taken.id.seq.value());
    Refresh(taken.id, now);  // clears the bits: `ready` and `key` may be gone
    return taken;
  }
  return std::nullopt;
}

void DeliveryQueue::Release(const MessageId& id, const std::vector<LegResult>& results,
                            Instant now) {
  if (in_flight_.erase(id) == 0) return;
  const Segment* segment = FindSegment(id);
  if (segment == nullptr) return;
  --in_flight_counts_.messages;
  in_flight_counts_.bytes -= segment->messages.SizeOf(id.seq.value());
  // One roll for the attempt: legs that failed together return together.
  const Rng roll(rng_.NextU64());
  std::vector<uint32_t> done;
  for (const LegResult& result : results) {
    if (result.kind == LegResult::Kind::kDone) {
      done.push_back(result.leg);
    } else {
      ApplyResult(id, result, roll, now);
    }
  }
  MarkDone(id, done);
  Refresh(id, now);
}

Instant DeliveryQueue::Advance(Instant now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    const MessageId id = due_.begin()->second;
    Schedule(id, std::nullopt);
    Refresh(id, now);
  }
  return due_.empty() ? Instant::max() : due_.begin()->first;
}

void DeliveryQueue::ApplyResult(const MessageId& id, const LegResult& result, Rng rng,
                                Instant now) {
  LegHistory& history = HistoryOf(id, result.leg);
  if (result.reply != nullptr) history.reply = result.reply;
  history.next_attempt.reset();
  switch (result.kind) {
    case LegResult::Kind::kDone:
    case LegResult::Kind::kAgain:
      break;
    case LegResult::Kind::kBlocked:
      history.next_attempt = now + options_.blocked_pause;
      break;
    case LegResult::Kind::kDeferred: {
      ++history.attempts;
      history.breaks = 0;
      const spool::BackOff back_off{options_.retry_first, options_.retry_max};
      history.next_attempt = now + spool::NextDelay(++history.refusals, rng, back_off);
      break;
    }
    case LegResult::Kind::kBroken: {
      // A connection that breaks is the route's trouble, and the message waits
      // for the route alone. Only if it happens to this message again and again
      // may the message be the cause, and then it must not stand in front.
      ++history.attempts;
      if (++history.breaks < 2) break;
      const spool::BackOff back_off{options_.broken_first, options_.retry_max};
      history.next_attempt = now + spool::NextDelay(history.breaks - 1, rng, back_off);
      break;
    }
  }
}

std::vector<uint32_t> DeliveryQueue::DueLegs(const Segment& segment, const MessageId& id,
                                             RouteIndex route, Instant now) const {
  std::vector<uint32_t> due;
  const std::vector<LegEntry> legs = segment.messages.LegsOf(id.seq.value());
  for (uint32_t leg = 0; leg < legs.size() && due.size() < options_.max_legs; ++leg) {
    if (legs[leg].done || domains_.RouteOf(legs[leg].domain) != route) continue;
    const LegHistory* history = FindHistory(id, leg);
    if (history == nullptr || history->next_attempt.value_or(now) <= now) due.push_back(leg);
  }
  return due;
}

// Brings the bitmaps and the due list in line with what is known of a message.
void DeliveryQueue::Refresh(const MessageId& id, Instant now) {
  const Segment* segment = FindSegment(id);
  if (segment == nullptr) return;
  const bool busy = in_flight_.contains(id);
  const SegmentKey key{segment->first_received, id.segment};
  std::map<RouteIndex, bool> ready;
  std::optional<Instant> next;
  const std::vector<LegEntry> legs = segment->messages.LegsOf(id.seq.value());
  for (uint32_t leg = 0; leg < legs.size(); ++leg) {
    bool& route_ready = ready[domains_.RouteOf(legs[leg].domain)];
    if (legs[leg].done || busy) continue;
    const LegHistory* history = FindHistory(id, leg);
    if (history == nullptr || history->next_attempt.value_or(now) <= now) {
      route_ready = true;
    } else {
      next = std::min(next.value_or(Instant::max()), *history->next_attempt);
    }
  }
  for (const auto& [route, is_ready] : ready) SetReady(key, id.seq.value(), route, is_ready);
  Schedule(id, next);
}

void DeliveryQueue::SetReady(const SegmentKey& key, uint32_t seq, RouteIndex route, bool ready) {
  if (route == kNoRoute) return;
  auto& bitmaps = RouteAt(route).ready;
  if (ready) {
    if (bitmaps[key].addChecked(seq)) Touch(route);
    return;
  }
  const auto it = bitmaps.find(key);
  if (it == bitmaps.end()) return;
  it->second.remove(seq);
  if (it->second.isEmpty()) bitmaps.erase(it);
}

void DeliveryQueue::Schedule(const MessageId& id, std::optional<Instant> when) {
  const auto it = histories_.find(id);
  if (it == histories_.end() || it->second.scheduled == when) return;
  std::optional<Instant>& scheduled = it->second.scheduled;
  const uint64_t size = FindSegment(id)->messages.SizeOf(id.seq.value());
  if (scheduled) {
    due_.erase({*scheduled, id});
    --deferred_counts_.messages;
    deferred_counts_.bytes -= size;
  }
  scheduled = when;
  if (scheduled) {
    due_.insert({*scheduled, id});
    ++deferred_counts_.messages;
    deferred_counts_.bytes += size;
  }
}

void DeliveryQueue::MarkDone(const MessageId& id, const std::vector<uint32_t>& done) {
  for (const uint32_t leg : done) {
    const auto it = segments_.find(id.segment);
    if (it == segments_.end() || !it->second.messages.Contains(id.seq.value())) return;
    MessageTable& messages = it->second.messages;
    std::vector<LegEntry> legs = messages.LegsOf(id.seq.value());
    if (leg >= legs.size() || legs[leg].done) continue;
    legs[leg].done = true;
    if (legs.size() > 1) messages.MarkDone(id.seq.value(), leg);
    const DomainIndex domain = legs[leg].domain;
    const auto same_domain = [domain](const LegEntry& other) {
      return other.domain == domain && !other.done;
    };
    const bool last = std::none_of(legs.begin(), legs.end(), same_domain);
    Uncount(id, domain, messages.SizeOf(id.seq.value()), last);
    const auto waits = [](const LegEntry& other) { return !other.done; };
    if (std::none_of(legs.begin(), legs.end(), waits)) Remove(id, legs);
  }
}

void DeliveryQueue::Remove(const MessageId& id, const std::vector<LegEntry>& legs) {
  const auto it = segments_.find(id.segment);
  const uint64_t size = it->second.messages.SizeOf(id.seq.value());
  const SegmentKey key{it->second.first_received, id.segment};
  for (const LegEntry& leg : legs) {
    SetReady(key, id.seq.value(), domains_.RouteOf(leg.domain), false);
  }
  Schedule(id, std::nullopt);
  histories_.erase(id);
  if (in_flight_.contains(id)) {
    --in_flight_counts_.messages;
    in_flight_counts_.bytes -= size;
  }
  --messages_;
  bytes_ -= size;
  it->second.messages.Erase(id.seq.value());
  if (it->second.messages.empty()) segments_.erase(it);
}

void DeliveryQueue::Count(const MessageId& id, DomainIndex domain, uint64_t size) {
  DomainQueue& queue = DomainAt(domain);
  ++queue.legs;
  ++legs_;
  AddRouteLegs(domains_.RouteOf(domain), 1);
  if (!queue.waiting[id.segment].addChecked(id.seq.value())) return;
  ++queue.messages;
  queue.bytes += size;
}

void DeliveryQueue::Uncount(const MessageId& id, DomainIndex domain, uint64_t size, bool last_leg) {
  DomainQueue& queue = DomainAt(domain);
  --queue.legs;
  --legs_;
  AddRouteLegs(domains_.RouteOf(domain), -1);
  if (!last_leg) return;
  --queue.messages;
  queue.bytes -= size;
  const auto it = queue.waiting.find(id.segment);
  it->second.remove(id.seq.value());
  if (it->second.isEmpty()) queue.waiting.erase(it);
}

const DeliveryQueue::Segment* DeliveryQueue::FindSegment(const MessageId& id) const {
  const auto it = segments_.find(id.segment);
  if (it == segments_.end() || !it->second.messages.Contains(id.seq.value())) return nullptr;
  return &it->second;
}

DeliveryQueue::DomainQueue& DeliveryQueue::DomainAt(DomainIndex domain) {
  if (domain >= domain_queues_.size()) domain_queues_.resize(domain + 1);
  return domain_queues_[domain];
}

DeliveryQueue::RouteQueue& DeliveryQueue::RouteAt(RouteIndex route) {
  if (route >= route_queues_.size()) route_queues_.resize(route + 1);
  return route_queues_[route];
}

void DeliveryQueue::AddRouteLegs(RouteIndex route, int64_t legs) {
  uint64_t& count = route == kNoRoute ? legs_without_route_ : RouteAt(route).legs;
  count += static_cast<uint64_t>(legs);
  if (count == 0 || legs > 0) Touch(route);
}

void DeliveryQueue::Touch(RouteIndex route) {
  if (route == kNoRoute || RouteAt(route).touched) return;
  RouteAt(route).touched = true;
  touched_.push_back(route);
}

std::vector<RouteIndex> DeliveryQueue::TakeTouchedRoutes() {
  for (const RouteIndex route : touched_) RouteAt(route).touched = false;
  return std::exchange(touched_, {});
}

const DeliveryQueue::LegHistory* DeliveryQueue::FindHistory(const MessageId& id,
                                                            uint32_t leg) const {
  const auto it = histories_.find(id);
  if (it == histories_.end()) return nullptr;
  for (const LegHistory& history : it->second.legs) {
    if (history.leg == leg) return &history;
  }
  return nullptr;
}

DeliveryQueue::LegHistory& DeliveryQueue::HistoryOf(const MessageId& id, uint32_t leg) {
  std::vector<LegHistory>& legs = histories_[id].legs;
  for (LegHistory& history : legs) {
    if (history.leg == leg) return history;
  }
  LegHistory& history = legs.emplace_back();
  history.leg = leg;
  return history;
}

}  // namespace fermo::node
