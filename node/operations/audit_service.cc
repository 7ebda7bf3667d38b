#include "node/operations/audit_service.h"

#include <string>
#include <utility>

#include "lib/rpc/convert.h"

namespace fermo::node {
namespace {

namespace v1 = ::fermoposta::v1;

v1::AuditGapKind KindOf(AuditGap::Kind kind) {
  switch (kind) {
    case AuditGap::Kind::kMissing:
      return v1::AUDIT_GAP_KIND_MISSING;
    case AuditGap::Kind::kDamaged:
      return v1::AUDIT_GAP_KIND_DAMAGED;
    case AuditGap::Kind::kNoOutcome:
      return v1::AUDIT_GAP_KIND_NO_OUTCOME;
  }
  return v1::AUDIT_GAP_KIND_UNSPECIFIED;
}

void Fill(const DomainBooks& books, v1::AuditCounts* out) {
  out->set_accepted(books.accepted);
  out->set_delivered(books.delivered);
  out->set_bounced(books.bounced);
  out->set_expired(books.expired);
  out->set_cancelled(books.cancelled);
  out->set_waiting(books.waiting);
  out->set_difference(books.accepted - books.delivered - books.bounced - books.expired -
                      books.cancelled - books.waiting);
}

void Fill(const Auditor::Part& part, v1::SegmentAudit* out) {
  rpc::ToProto(part.segment, out->mutable_id());
  out->set_complete(part.complete);
  if (!part.status.ok()) {  // what was read until then is half of the books
    out->set_error(std::string(part.status.message()));
    return;
  }
  for (const auto& [domain, books] : part.books.domains()) {
    v1::DomainAudit* row = out->add_domains();
    row->set_domain(domain);
    Fill(books, row->mutable_counts());
  }
  for (const AuditGap& gap : part.books.gaps()) {
    v1::AuditGap* g = out->add_gaps();
    g->set_kind(KindOf(gap.kind));
    g->set_first_seq(gap.begin);
    g->set_last_seq(gap.end - 1);
    g->set_may_be_elsewhere(gap.kind == AuditGap::Kind::kMissing && !part.books.plan().compared);
  }
  out->set_doubt(part.books.plan().doubt);
  out->set_gaps_left_off(part.books.gaps_left_off());
  out->set_in_flight(part.books.in_flight());
}

}  // namespace

net::Awaitable<absl::Status> AuditOwned(Auditor* auditor,
                                        const v1::AuditOwnedSegmentsRequest* request,
                                        v1::AuditOwnedSegmentsResponse* response) {
  Auditor::Position from;
  if (request->has_from()) {
    auto segment = rpc::FromProto(request->from().segment());
    if (!segment.ok()) co_return segment.status();
    from.segment = *segment;
    from.seq = request->from().seq();
  }
  Auditor::Limits limits;
  auto page = co_await auditor->Page(from, request->domain(), limits);
  if (!page.ok()) co_return page.status();
  for (const Auditor::Part& part : page->parts) Fill(part, response->add_segments());
  if (page->next) {
    rpc::ToProto(page->next->segment, response->mutable_next()->mutable_segment());
    response->mutable_next()->set_seq(page->next->seq);
  }
  co_return absl::OkStatus();
}

}  // namespace fermo::node
