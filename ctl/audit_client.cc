#include "ctl/audit_client.h"

#include <algorithm>
#include <ostream>

#include "ctl/human.h"
#include "ctl/json_client.h"
#include "ctl/table.h"
#include "fmt/format.h"

namespace fermo::ctl {

namespace v1 = ::fermoposta::v1;
using Stub = Session::Stub;

namespace {

// The coordinator asks for the nodes' status before and after: that part of the
// time is not for the books.
uint32_t BudgetMillis(Duration timeout) {
  const Duration budget = std::max<Duration>(timeout - std::chrono::seconds(3), timeout / 2);
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(budget).count();
  return static_cast<uint32_t>(std::clamp<int64_t>(millis, 1, UINT32_MAX));
}

void AddRow(const std::string& name, const v1::AuditCounts& counts, Table* table) {
  table->Add({name, std::to_string(counts.accepted()), std::to_string(counts.delivered()),
              std::to_string(counts.bounced()), std::to_string(counts.expired()),
              std::to_string(counts.cancelled()), std::to_string(counts.waiting()),
              std::to_string(counts.difference())});
}

std::string RenderBooks(const v1::AuditResponse& response, size_t width) {
  Table table({{"DOMAIN"},
               {"ACCEPTED", true, true},
               {"DELIVERED", true, true},
               {"BOUNCED", true, true},
               {"EXPIRED", true, true},
               {"CANCELLED", true, true},
               {"WAITING", true, true},
               {"DIFF", true, true}});
  for (const v1::DomainAudit& row : response.domains()) {
    AddRow(row.domain().empty() ? "(unknown)" : Printable(row.domain()), row.counts(), &table);
  }
  AddRow("(total)", response.total(), &table);
  return table.Render(width);
}

std::string WhatIsWrong(const v1::AuditGap& gap) {
  switch (gap.kind()) {
    case v1::AUDIT_GAP_KIND_MISSING:
      return gap.may_be_elsewhere() ? "missing; a holder that was not compared may have it"
                                    : "missing";
    case v1::AUDIT_GAP_KIND_DAMAGED:
      return "damaged";
    case v1::AUDIT_GAP_KIND_NO_OUTCOME:
      return "finished without an outcome";
    default:
      return "wrong";
  }
}

void PrintGaps(Session& session, const v1::AuditResponse& response) {
  for (const v1::AuditGap& gap : response.gaps()) {
    const std::string first = fmt::format("{}-{:x}", Printable(gap.segment()), gap.first_seq());
    const std::string last = fmt::format("{}-{:x}", Printable(gap.segment()), gap.last_seq());
    session.out() << "Difference: " << (first == last ? first : first + " to " + last) << ": "
                  << WhatIsWrong(gap) << "\n";
  }
  if (response.gaps_left_off() > 0) {
    session.out() << fmt::format("Difference: {} like these\n",
                                 Count(response.gaps_left_off(), "more range"));
  }
}

void PrintUnaudited(Session& session, const v1::AuditResponse& response) {
  for (const v1::UnauditedNode& node : response.unaudited_nodes()) {
    session.out() << fmt::format("Not audited: what {} owns: {}\n", Printable(node.node()),
                                 Printable(node.reason()));
  }
  for (const v1::UnauditedSegment& segment : response.unaudited_segments()) {
    session.out() << fmt::format("Not audited: {}, {} on {}: {}\n", Printable(segment.segment()),
                                 Count(segment.messages(), "unfinished message"),
                                 Printable(fmt::format("{}", fmt::join(segment.holders(), ", "))),
                                 Printable(segment.reason()));
  }
  if (response.unaudited_left_off() > 0) {
    session.out() << fmt::format("Not audited: {}\n",
                                 Count(response.unaudited_left_off(), "more segment"));
  }
}

absl::Status Verdict(Session& session, const v1::AuditResponse& response) {
  const uint64_t segments =
      response.unaudited_left_off() + static_cast<uint64_t>(response.unaudited_segments_size());
  const bool all = segments == 0 && response.unaudited_nodes_size() == 0;
  const std::string rest =
      all ? "" : "; not everything could be audited, see what is named in the answer";
  if (response.total().difference() > 0) {
    session.SetExitCode(kExitDifference);
    return absl::DataLossError(
        fmt::format("the difference is {}{}", Count(response.total().difference(), "leg"), rest));
  }
  if (all) return absl::OkStatus();
  session.SetExitCode(kExitNotAudited);
  return absl::UnavailableError(fmt::format("no difference so far{}", rest));
}

}  // namespace

absl::Status Audit(Session& session, const std::string& domain) {
  v1::AuditRequest request;
  request.set_domain(domain);
  request.set_budget_millis(BudgetMillis(session.timeout()));
  v1::AuditResponse response;
  absl::Status status = session.Call(&Stub::Audit, request, &response);
  if (!status.ok()) return status;
  if (session.json()) {
    session.out() << ToJson(response);
    return Verdict(session, response);
  }
  session.out() << RenderBooks(response, session.width());
  session.out() << fmt::format(
      "\nScope: {} not yet closed. Left out: closed ones, and {} in flight.\n",
      Count(response.segments(), "segment"), Count(response.in_flight(), "message"));
  PrintGaps(session, response);
  PrintUnaudited(session, response);
  return Verdict(session, response);
}

}  // namespace fermo::ctl
