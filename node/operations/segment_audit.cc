#include "node/operations/segment_audit.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"

namespace fermo::node {
namespace {

std::string DoubtOf(const cluster::Segment& segment, const cluster::SeqSet& away, bool leads) {
  const auto& views = segment.owner->holders;
  const bool suspect =
      segment.suspect ||
      std::any_of(views.begin(), views.end(), [](const auto& view) { return view.suspect; });
  if (!away.isEmpty()) {
    const uint64_t count = away.cardinality();
    return count == 1 ? "1 message that another holder has is not here yet"
                      : fmt::format("{} messages that another holder has are not here yet", count);
  }
  if (suspect) {
    return "a holder stopped uncleanly, and not all that it may have lost was compared yet";
  }
  return leads ? "" : "its owner holds no leases: another node may own it by now";
}

}  // namespace

std::optional<AuditPlan> PlanAudit(const cluster::Segment* segment, bool leads) {
  if (segment == nullptr || segment->closed || !segment->owner) return std::nullopt;
  AuditPlan plan;
  cluster::SeqSet known = segment->held | segment->aborted | segment->finished;
  plan.in_flight = segment->owner->wanted - known;
  known |= plan.in_flight;
  plan.end = known.isEmpty() ? 0 : known.maximum() + 1;
  if (segment->writer) {
    plan.end = std::max(plan.end, segment->writer->next_seq);
    // Of our own uploads none is on its way from another.
    for (const auto& [seq, pending] : segment->writer->pending) plan.in_flight.remove(seq.value());
  }
  for (const cluster::HolderView& view : segment->owner->holders) {
    const bool joins = view.role == cluster::HolderView::Role::kJoining;
    plan.compared = plan.compared && (joins || view.synced);
  }
  plan.doubt = DoubtOf(*segment, plan.in_flight, leads);
  if (segment->writer) {
    for (const auto& [seq, pending] : segment->writer->pending) plan.in_flight.add(seq.value());
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
  const bool live = slot.state == AuditedSlot::State::kLive;
  const bool aborted = slot.state == AuditedSlot::State::kAborted;
  bool gap = false;
  for (const AuditedSlot::Leg& leg : slot.legs) {
    const bool counted = TakeLeg(slot, leg);
    gap = gap || (counted && !live && leg.outcome == spool::Outcome::kNone);
  }
  if (slot.legs.empty() && !live && !aborted) {
    ++domains_[""].accepted;
    gap = true;
  }
  if (!gap) return;
  const bool damaged = slot.state == AuditedSlot::State::kDamaged;
  AddGap(damaged ? AuditGap::Kind::kDamaged : AuditGap::Kind::kNoOutcome, seq, seq + 1);
}

bool SegmentBooks::TakeLeg(const AuditedSlot& slot, const AuditedSlot::Leg& leg) {
  if (!domain_.empty() && !leg.domain.empty() && leg.domain != domain_) return false;
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
  return true;
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
