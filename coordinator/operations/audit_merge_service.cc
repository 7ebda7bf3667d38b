#include "coordinator/operations/audit_merge_service.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "lib/rpc/convert.h"

namespace fermo::coordinator {

namespace v1 = ::fermoposta::v1;

namespace {

void Add(const v1::AuditCounts& more, v1::AuditCounts* sum) {
  sum->set_accepted(sum->accepted() + more.accepted());
  sum->set_delivered(sum->delivered() + more.delivered());
  sum->set_bounced(sum->bounced() + more.bounced());
  sum->set_expired(sum->expired() + more.expired());
  sum->set_cancelled(sum->cancelled() + more.cancelled());
  sum->set_waiting(sum->waiting() + more.waiting());
  sum->set_difference(sum->difference() + more.difference());
}

}  // namespace

void AuditMerge::Books::Add(const Books& more) {
  for (const auto& [domain, counts] : more.domains) coordinator::Add(counts, &domains[domain]);
  for (const v1::AuditGap& gap : more.gaps) {
    if (gaps.size() < kMaxListed) {
      gaps.push_back(gap);
    } else {
      ++gaps_left_off;
    }
  }
  gaps_left_off += more.gaps_left_off;
  in_flight += more.in_flight;
}

AuditMerge::Books AuditMerge::ToBooks(const SegmentId& segment, const v1::SegmentAudit& audit) {
  Books books;
  for (const v1::DomainAudit& row : audit.domains()) books.domains[row.domain()] = row.counts();
  for (const v1::AuditGap& gap : audit.gaps()) {
    books.gaps.push_back(gap);
    books.gaps.back().set_segment(ToString(segment));
  }
  books.gaps_left_off = audit.gaps_left_off();
  books.in_flight = audit.in_flight();
  return books;
}

void AuditMerge::Before(const std::string&, const v1::NodeStatus& status) {
  for (const v1::HeldSegment& held : status.held_segments()) {
    auto id = rpc::FromProto(held.id());
    if (id.ok()) held_[*id].before = true;
  }
}

void AuditMerge::After(const std::string& node, const v1::NodeStatus& status) {
  for (const v1::HeldSegment& held : status.held_segments()) {
    auto id = rpc::FromProto(held.id());
    if (!id.ok()) continue;
    Held& known = held_[*id];
    known.after = true;
    if (held.owned()) known.owner = node;
    known.holders.push_back(node);
    known.messages = std::max(known.messages, held.messages());
  }
}

void AuditMerge::Take(const std::string& node, const v1::AuditOwnedSegmentsResponse& page) {
  for (const v1::SegmentAudit& audit : page.segments()) {
    auto id = rpc::FromProto(audit.id());
    if (!id.ok()) continue;
    Books books;
    auto begun = begun_.find(node);
    if (begun != begun_.end()) {
      // With another segment the begun one was lost by the node, or closed.
      if (begun->second.segment == *id) books = std::move(begun->second.books);
      begun_.erase(begun);
    }
    if (!audit.error().empty()) {
      errors_[*id] = fmt::format("{} can't read it: {}", node, audit.error());
      continue;
    }
    if (!audit.doubt().empty()) doubts_[*id] = audit.doubt();
    books.Add(ToBooks(*id, audit));
    if (!audit.complete()) {
      begun_[node] = Begun{*id, std::move(books)};
    } else if (audited_.insert(*id).second) {  // else it changed its owner meanwhile
      total_.Add(books);
    }
  }
}

void AuditMerge::NotAudited(const std::string& node, const std::string& reason) {
  reasons_[node] = reason;
}

void AuditMerge::Fill(v1::AuditResponse* response) const {
  for (const auto& [domain, counts] : total_.domains) {
    v1::DomainAudit* row = response->add_domains();
    row->set_domain(domain);
    *row->mutable_counts() = counts;
    Add(counts, response->mutable_total());
  }
  for (const v1::AuditGap& gap : total_.gaps) *response->add_gaps() = gap;
  response->set_gaps_left_off(total_.gaps_left_off);
  response->set_in_flight(total_.in_flight);
  response->set_segments(static_cast<uint32_t>(audited_.size()));
  for (const auto& [node, reason] : reasons_) {
    v1::UnauditedNode* unaudited = response->add_unaudited_nodes();
    unaudited->set_node(node);
    unaudited->set_reason(reason);
  }
  FillUnaudited(response);
}

void AuditMerge::FillUnaudited(v1::AuditResponse* response) const {
  const auto add = [response](const SegmentId& id, const std::string& reason, const Held& held) {
    if (response->unaudited_segments_size() >= static_cast<int>(kMaxListed)) {
      response->set_unaudited_left_off(response->unaudited_left_off() + 1);
      return;
    }
    v1::UnauditedSegment* segment = response->add_unaudited_segments();
    segment->set_segment(ToString(id));
    segment->set_reason(reason);
    for (const std::string& holder : held.holders) segment->add_holders(holder);
    segment->set_messages(held.messages);
  };
  for (const auto& [id, error] : errors_) {
    const auto held = held_.find(id);
    if (!audited_.contains(id)) add(id, error, held == held_.end() ? Held() : held->second);
  }
  for (const auto& [id, doubt] : doubts_) {
    const auto held = held_.find(id);
    if (audited_.contains(id)) add(id, doubt, held == held_.end() ? Held() : held->second);
  }
  for (const auto& [id, held] : held_) {
    if (!held.before || !held.after || audited_.contains(id) || errors_.contains(id)) continue;
    add(id,
        held.owner.empty() ? "no node that answers owns it"
                           : fmt::format("its owner, {}, has not gone through it", held.owner),
        held);
  }
}

}  // namespace fermo::coordinator
