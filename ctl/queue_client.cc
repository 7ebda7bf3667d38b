#include "ctl/queue_client.h"

#include <ostream>
#include <set>

#include "ctl/human.h"
#include "ctl/json_client.h"
#include "ctl/views_client.h"
#include "fmt/format.h"

namespace fermo::ctl {

namespace v1 = ::fermoposta::v1;
using Stub = Session::Stub;

namespace {

using Names = google::protobuf::RepeatedPtrField<std::string>;

void WarnSilent(Session& session, const Names& nodes) {
  if (nodes.empty()) return;
  session.Warn(fmt::format("no answer from {}: mail that only they know of is not counted or shown",
                           Printable(fmt::format("{}", fmt::join(nodes, ", ")))));
}

std::string Recipients(const v1::QueuedMessage& message) {
  if (message.legs_size() == 0) return "-";
  std::string text = PathOf(message.legs(0).forward_path());
  if (message.legs_size() > 1) text += fmt::format(" +{}", message.legs_size() - 1);
  return text;
}

// The leg that is tried first says what the message waits for.
const v1::QueuedLeg* NextLeg(const v1::QueuedMessage& message) {
  const v1::QueuedLeg* next = nullptr;
  for (const v1::QueuedLeg& leg : message.legs()) {
    if (leg.state() != "waiting" && leg.state() != "in_flight") continue;
    if (!next || leg.next_attempt_millis() < next->next_attempt_millis()) next = &leg;
  }
  return next;
}

std::string NextAttempt(const v1::QueuedLeg& leg, WallTime now) {
  if (leg.state() == "in_flight") return "in flight";
  if (leg.state() != "waiting") return "-";
  if (leg.next_attempt_millis() == 0) return "when up";
  return FormatUntil(FromMillis(leg.next_attempt_millis()), now);
}

std::string OutcomeName(v1::Outcome outcome) {
  switch (outcome) {
    case v1::OUTCOME_CANCELLED:
      return "cancelled";
    case v1::OUTCOME_EXPIRED:
      return "expired";
    case v1::OUTCOME_BOUNCED:
      return "bounced";
    case v1::OUTCOME_DELIVERED:
      return "delivered";
    default:
      return "unknown";
  }
}

// The copy that knows most: the owner's, else the first.
const v1::MessageCopy& BestCopy(const v1::GetMessageResponse& response) {
  for (const v1::MessageCopy& copy : response.copies()) {
    if (copy.detail().owned_here()) return copy;
  }
  return response.copies(0);
}

void PrintEnvelope(Session& session, const v1::MessageDetail& detail) {
  const v1::QueuedMessage& message = detail.message();
  session.out() << "Message:   " << Printable(message.id()) << "\n"
                << "From:      " << PathOf(message.reverse_path()) << "\n"
                << "Received:  "
                << FormatMoment(FromMillis(message.received_millis()), session.now()) << " from "
                << Printable(detail.client_address()) << " (" << Printable(detail.helo()) << ")\n"
                << "Size:      " << FormatOctets(message.bytes()) << "\n"
                << "SHA-256:   " << Printable(detail.digest()) << "\n"
                << "Owner:     " << PathOf(message.owner()) << "\n\n";
}

void PrintLegs(Session& session, const v1::MessageDetail& detail) {
  Table legs({{"RECIPIENT"}, {"STATE"}, {"TRIES", true}, {"NEXT", true}, {"LAST REPLY"}});
  for (const v1::QueuedLeg& leg : detail.message().legs()) {
    legs.Add({PathOf(leg.forward_path()), Printable(leg.state()), std::to_string(leg.attempts()),
              NextAttempt(leg, session.now()), PathOf(leg.last_reply())});
  }
  session.out() << legs.Render(session.width()) << "\n";
}

void PrintCopies(Session& session, const v1::GetMessageResponse& response) {
  Table copies(
      {{"COPY ON", false, true}, {"REGION"}, {"STATE"}, {"OWNER"}, {"EPOCH", true}, {"OUTCOMES"}});
  for (const v1::MessageCopy& copy : response.copies()) {
    std::set<std::string> outcomes;
    for (const v1::LegOutcome& outcome : copy.detail().outcomes()) {
      outcomes.insert(OutcomeName(outcome.outcome()));
    }
    copies.Add({Printable(copy.node()), Printable(copy.region()), Printable(copy.detail().state()),
                copy.detail().owned_here() ? "here" : "-",
                std::to_string(copy.detail().segment().epoch()),
                outcomes.empty() ? "-" : fmt::format("{}", fmt::join(outcomes, ", "))});
  }
  session.out() << copies.Render(session.width());
}

}  // namespace

absl::Status QueueSummary(Session& session) {
  v1::GetQueueSummaryResponse response;
  absl::Status status =
      session.Call(&Stub::GetQueueSummary, v1::GetQueueSummaryRequest(), &response);
  if (!status.ok()) return status;
  WarnSilent(session, response.unreachable_nodes());
  if (session.json()) {
    session.out() << ToJson(response);
    return absl::OkStatus();
  }
  if (response.domains_size() > 0) {
    Table table(
        {{"DOMAIN"}, {"MESSAGES", true}, {"RECIPIENTS", true}, {"SIZE", true}, {"OLDEST", true}});
    for (const v1::DomainQueue& queue : response.domains()) {
      const v1::QueueCounts& counts = queue.counts();
      table.Add({Printable(queue.domain()), std::to_string(counts.messages()),
                 std::to_string(counts.waiting()), FormatOctets(counts.bytes()),
                 AgeOrDash(counts.oldest_millis(), session.now())});
    }
    session.out() << table.Render(session.width());
  }
  session.out() << "Waiting: "
                << CountsLine(response.total(), response.ownerless_messages(), session.now())
                << "\n";
  return absl::OkStatus();
}

absl::Status QueueList(Session& session, const std::string& domain, const PageOptions& page) {
  Listing<v1::ListQueueResponse, v1::QueuedMessage> listing{
      .list = "messages",
      .table = Table({{"MESSAGE", false, true},
                      {"AGE", true},
                      {"SIZE", true},
                      {"FROM"},
                      {"TO"},
                      {"NEXT", true},
                      {"OWNER"}}),
      .fetch =
          [&](const std::string& token, v1::ListQueueResponse* response) {
            v1::ListQueueRequest request;
            request.set_domain(domain);
            request.set_page_size(page.limit);
            request.set_page_token(token);
            return session.Call(&Stub::ListQueue, request, response);
          },
      .elements =
          [](const v1::ListQueueResponse& response) -> const auto& {return response.messages();
}
,
    .tabulate =
        [&](const v1::QueuedMessage& message, Table* table) {
          const v1::QueuedLeg* next = NextLeg(message);
          table->Add({Printable(message.id()), AgeOrDash(message.received_millis(), session.now()),
                      FormatOctets(message.bytes()), PathOf(message.reverse_path()),
                      Recipients(message), next ? NextAttempt(*next, session.now()) : "-",
                      PathOf(message.owner())});
        },
    .clear_elements = [](v1::ListQueueResponse* response) { response->clear_messages(); },
    .empty = "No message waits."
};  // namespace fermo::ctl
std::set<std::string> silent;
const absl::Status status = PrintPages<v1::ListQueueResponse, v1::QueuedMessage>(
    session, page, listing, [&silent](const v1::ListQueueResponse& response) {
      silent.insert(response.unreachable_nodes().begin(), response.unreachable_nodes().end());
    });
if (status.ok()) WarnSilent(session, Names(silent.begin(), silent.end()));
return status;
}

absl::Status QueueShow(Session& session, const std::string& id) {
  v1::GetMessageRequest request;
  request.set_id(id);
  v1::GetMessageResponse response;
  absl::Status status = session.Call(&Stub::GetMessage, request, &response);
  if (!status.ok()) return status;
  WarnSilent(session, response.unreachable_nodes());
  if (session.json()) {
    session.out() << ToJson(response);
    return absl::OkStatus();
  }
  const v1::MessageDetail& detail = BestCopy(response).detail();
  PrintEnvelope(session, detail);
  PrintLegs(session, detail);
  PrintCopies(session, response);
  return absl::OkStatus();
}

}  // namespace fermo::ctl
