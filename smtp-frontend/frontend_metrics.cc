#include "smtp-frontend/frontend_metrics.h"

#include <algorithm>
#include <chrono>
#include <string>

namespace fermo::frontend {
namespace {

constexpr std::array<std::string_view, kSessionResults> kResultNames = {
    "quit", "dropped", "timeout", "errors", "drained", "refused"};

enum Reason : size_t {
  kRelay,
  kSize,
  kContent,
  kLoop,
  kRoom,
  kUnavailable,
  kRecipients,
  kSyntax,
  kOther
};
constexpr std::array<std::string_view, 9> kReasonNames = {
    "relay", "size", "content", "loop", "room", "unavailable", "recipients", "syntax", "other"};

// A refusal's reason, from the enhanced code that named it to the sender.
Reason ReasonFor(const smtp::Reply& reply) {
  const smtp::EnhancedCode code = reply.enhanced.value_or(smtp::EnhancedCode());
  if (code == smtp::EnhancedCode{5, 7, 1}) return kRelay;
  if (code == smtp::EnhancedCode{5, 3, 4}) return kSize;
  if (code == smtp::EnhancedCode{5, 6, 0}) return kContent;
  if (code == smtp::EnhancedCode{5, 4, 6}) return kLoop;
  if (code == smtp::EnhancedCode{4, 3, 1}) return kRoom;
  if (code == smtp::EnhancedCode{4, 3, 0}) return kUnavailable;
  if (code == smtp::EnhancedCode{4, 4, 2}) return kUnavailable;  // an unknown verdict
  if (code == smtp::EnhancedCode{4, 5, 3}) return kRecipients;
  if (code.klass == 5 && (code.subject == 5 || code.subject == 1)) return kSyntax;
  return kOther;
}

bool ConcernsMessages(smtp::Verb verb) {
  return verb == smtp::Verb::kMail || verb == smtp::Verb::kRcpt || verb == smtp::Verb::kData ||
         verb == smtp::Verb::kContent;
}

double Seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

std::string_view ToString(SessionResult result) {
  return kResultNames[static_cast<size_t>(result)];
}

FrontendMetrics::FrontendMetrics(net::Metrics* metrics)
    : connections_(&metrics->MakeGauge("smtp_connections", "Open SMTP connections.",
                                       {{"listener", "smtp"}})),
      accepted_(&metrics->MakeCounter("messages_accepted_total",
                                      "Messages answered 250, durable on the quorum.")),
      accepted_octets_(&metrics->MakeCounter("message_bytes_accepted_total",
                                             "Octets of the content of accepted messages.")) {
  const std::string latency_help = "From the final dot to its reply.";
  accept_seconds_ = &metrics->MakeHistogram("accept_duration_seconds", latency_help,
                                            net::LatencyBuckets(), {{"outcome", "accepted"}});
  defer_seconds_ = &metrics->MakeHistogram("accept_duration_seconds", latency_help,
                                           net::LatencyBuckets(), {{"outcome", "deferred"}});
  for (size_t i = 0; i < kSessionResults; ++i) {
    sessions_[i] =
        &metrics->MakeCounter("smtp_sessions_total", "SMTP sessions that have ended.",
                              {{"listener", "smtp"}, {"result", std::string(kResultNames[i])}});
  }
  for (size_t i = 0; i < rejected_.size(); ++i) {
    rejected_[i] = &metrics->MakeCounter("messages_rejected_total",
                                         "Refusals of senders, recipients and messages, by reason.",
                                         {{"reason", std::string(kReasonNames[i])}});
  }
  for (size_t verb = 0; verb < smtp::kVerbCount; ++verb) {
    for (size_t digit = 2; digit <= 5; ++digit) {
      replies_[verb][digit] =
          &metrics->MakeCounter("smtp_replies_total", "SMTP replies by verb and class.",
                                {{"verb", std::string(ToString(static_cast<smtp::Verb>(verb)))},
                                 {"class", std::to_string(digit) + "xx"}});
    }
  }
}

void FrontendMetrics::SessionClosed(SessionResult result) {
  connections_->Decrement();
  sessions_[static_cast<size_t>(result)]->Increment();
}

void FrontendMetrics::SessionRefused() {
  sessions_[static_cast<size_t>(SessionResult::kRefused)]->Increment();
}

void FrontendMetrics::Replied(smtp::Verb verb, const smtp::Reply& reply) {
  const size_t digit = static_cast<size_t>(std::clamp(reply.code / 100, 2, 5));
  replies_[static_cast<size_t>(verb)][digit]->Increment();
  if (digit >= 4 && ConcernsMessages(verb)) rejected_[ReasonFor(reply)]->Increment();
}

void FrontendMetrics::Accepted(uint64_t octets, Duration took) {
  accepted_->Increment();
  accepted_octets_->Increment(static_cast<double>(octets));
  accept_seconds_->Observe(Seconds(took));
}

void FrontendMetrics::Deferred(Duration took) { defer_seconds_->Observe(Seconds(took)); }

}  // namespace fermo::frontend
