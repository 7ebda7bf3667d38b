#include "node/operations/segment_audit.h"

#include <algorithm>
#include <utility>

namespace fermo::node {

std::optional<AuditPlan> PlanAudit(const cluster::Segment* segment) {
  if (segment == nullptr || segment->closed || !segment->owner) return std::nullopt;
  AuditPlan plan;
  cluster::SeqSet known = segment->held | segment->aborted | segment->finished;
  plan.in_flight = segment->owner->wanted - known;
  known |= plan.in_flight;
  plan.end = known.isEmpty() ? 0 : known.maximum() + 1;
  if (segment->writer) {
    plan.end = std::max(plan.end, segment->writer->next_seq);
    for (const auto& [seq, pending] : segment->writer->pending) plan.in_flight.add(seq.value());
  }
  for (const cluster::HolderView& view : segment->owner->holders) {
    const bool joins = view.role == cluster::HolderView::Role::kJoining;
    plan.compared = plan.compared && (joins || view.synced);
  }
  return plan;
}

SegmentBooks::SegmentBooks(AuditPlan plan, uint32_t from, std::string domain)
    : plan_(std::move(plan)), domain_(std::move(domain)), next_(from) {}

void SegmentBooks::Take(const AuditedSlot& slot) {
  const uint32_t seq = slot.seq.value();
  SkipTo(seq);
  next_ = seq + 1;
  if (plan_.in_flight.contains(seq)) {
    ++in_flight_;
    return;
  }
  for (const AuditedSlot::Leg& leg : slot.legs) TakeLeg(slot, leg);
  if (slot.state == AuditedSlot::State::kDamaged) {
    if (slot.legs.empty()) ++domains_[""].accepted;
    AddGap(AuditGap::Kind::kDamaged, seq, seq + 1);
  } else if (slot.state == AuditedSlot::State::kFinished) {
    const bool all = std::all_of(slot.legs.begin(), slot.legs.end(), [](const auto& leg) {
      return leg.outcome != spool::Outcome::kNone;
    });
    if (slot.legs.empty()) ++domains_[""].accepted;
    if (!all || slot.legs.empty()) AddGap(AuditGap::Kind::kNoOutcome, seq, seq + 1);
  }
}

void SegmentBooks::TakeLeg(const AuditedSlot& slot, const AuditedSlot::Leg& leg) {
  if (!domain_.empty() && !leg.domain.empty() && leg.domain != domain_) return;
  DomainBooks& books = domains_[leg.domain];
  ++books.accepted;
  switch (leg.outcome) {
    case spool::Outcome::kNone:
      books.waiting += slot.state == AuditedSlot::State::kLive ? 1 : 0;
      break;
    case spool::Outcome::kCancelled:
      ++books.cancelled;
      break;
    case spool::Outcome::kExpired:
      ++books.expired;
      break;
    case spool::Outcome::kBounced:
      ++books.bounced;
      break;
    case spool::Outcome::kDelivered:
      ++books.delivered;
      break;
  }
}

void SegmentBooks::SkipTo(uint32_t end) {
  if (end <= next_) return;
  cluster::SeqSet missing;
  missing.addRange(next_, end);
  next_ = end;
  const uint64_t skipped = missing.cardinality();
  missing -= plan_.in_flight;
  in_flight_ += skipped - missing.cardinality();
  if (missing.isEmpty()) return;
  domains_[""].accepted += missing.cardinality();
  const std::vector<uint32_t> bounds = cluster::ToRanges(missing);
  for (size_t i = 0; i + 1 < bounds.size(); i += 2) {
    AddGap(AuditGap::Kind::kMissing, bounds[i], bounds[i + 1]);
  }
}

void SegmentBooks::AddGap(AuditGap::Kind kind, uint32_t begin, uint32_t end) {
  if (!gaps_.empty() && gaps_left_off_ == 0 && gaps_.back().kind == kind &&
      gaps_.back().end == begin) {
    gaps_.back().end = end;
  } else if (gaps_.size() < kMaxGaps) {
    gaps_.push_back({kind, begin, end});
  } else {
    ++gaps_left_off_;
  }
}

}  // namespace fermo::node
