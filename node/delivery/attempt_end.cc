// How an attempt ended, for the owner, the queue, the log and the route.
#include <algorithm>
#include <utility>

#include "node/delivery/attempt.h"

namespace fermo::node {
namespace {

using cluster::AttemptResult;
using smtp::RecipientVerdict;

std::string_view NameOf(AttemptResult result) {
  switch (result) {
    case AttemptResult::kDelivered:
      return "delivered";
    case AttemptResult::kRejected:
      return "rejected";
    case AttemptResult::kDeferred:
      return "deferred";
    case AttemptResult::kBroken:
      return "broken";
    case AttemptResult::kAbandoned:
      return "abandoned";
  }
  return "abandoned";
}

// The code of the reply that decided for most of the transaction.
int CodeOf(const smtp::TransactionResult& transaction, AttemptResult result) {
  for (const smtp::RecipientResult& recipient : transaction.recipients) {
    const bool delivered = recipient.verdict == RecipientVerdict::kDelivered;
    if (recipient.reply && delivered == (result == AttemptResult::kDelivered)) {
      return recipient.reply->code;
    }
  }
  return 0;
}

}  // namespace

AttemptReport Attempt::Conclude() {
  smtp::ClientSession& session = connection_.session();
  const smtp::TransactionResult transaction =
      session.TakeResult().value_or(smtp::TransactionResult());
  std::vector<LegResult> results;
  std::vector<spool::LegOutcome> outcomes;
  const smtp::RecipientResult untold;
  for (size_t i = 0; i < message_.legs.size(); ++i) {
    const bool told = i < transaction.recipients.size();
    results.push_back(Judge(message_.legs[i], told ? transaction.recipients[i] : untold, outcomes));
  }
  AttemptReport report;
  report.result = Summarise(transaction);
  report.connection_usable = session.phase() == smtp::ClientPhase::kReady && !abandoned_;
  if (report.result == AttemptResult::kBroken && session.failure()) {
    report.reason = DescribeFailure(*session.failure());
  }
  Log(results, report.result, transaction);
  if (announced_) context_.ownership.Finish(message_.id, std::move(outcomes));
  context_.queue.Release(message_.id, results, BootClock::now());
  context_.queue_changed();
  return report;
}

// The rule for 5yz: until there are DSNs, a refusal for good is held like one
// for now. Nothing may be lost or silently bounced.
LegResult Attempt::Judge(uint32_t leg, const smtp::RecipientResult& recipient,
                         std::vector<spool::LegOutcome>& outcomes) const {
  LegResult result;
  result.leg = leg;
  std::string text = recipient.reply ? smtp::OneLine(*recipient.reply) : std::string();
  if (recipient.verdict == RecipientVerdict::kDelivered) {
    spool::LegOutcome outcome;
    outcome.leg = leg;
    outcome.outcome = spool::Outcome::kDelivered;
    outcome.reply = text;
    outcome.at = WallNow();
    outcomes.push_back(std::move(outcome));
    result.kind = LegResult::Kind::kDone;
  } else if (stop_ == Stop::kNotPermitted || abandoned_) {
    result.kind = LegResult::Kind::kBlocked;
    return result;
  } else if (stop_ == Stop::kDamaged) {
    result.kind = LegResult::Kind::kDeferred;
    text = stop_reason_;
  } else {
    result.kind = KindOf(recipient);
    if (text.empty()) text = ReasonOf(recipient);
  }
  result.reply = std::make_shared<const std::string>(text.substr(0, 256));
  return result;
}

LegResult::Kind Attempt::KindOf(const smtp::RecipientResult& recipient) const {
  const bool reply_ends_connection = recipient.reply && recipient.reply->code == 421;
  switch (recipient.verdict) {
    case RecipientVerdict::kDelivered:
      return LegResult::Kind::kDone;
    case RecipientVerdict::kRejected:
    case RecipientVerdict::kNeeds8BitMime:
      return LegResult::Kind::kDeferred;
    case RecipientVerdict::kNextTransaction:
      return LegResult::Kind::kAgain;
    case RecipientVerdict::kUnknown:
      // The primary may have it. If it is only slow, trying again at once would
      // give it one copy after another.
      return connection_.timed_out() ? LegResult::Kind::kDeferred : LegResult::Kind::kBroken;
    case RecipientVerdict::kDeferred:
      if (recipient.reply && !reply_ends_connection) return LegResult::Kind::kDeferred;
      return ClosedWhileIdle() ? LegResult::Kind::kAgain : LegResult::Kind::kBroken;
  }
  return LegResult::Kind::kDeferred;
}

std::string Attempt::ReasonOf(const smtp::RecipientResult& recipient) const {
  if (recipient.verdict == RecipientVerdict::kNeeds8BitMime) {
    return "the primary does not offer 8BITMIME, which this message needs";
  }
  const auto& failure = connection_.session().failure();
  return failure ? DescribeFailure(*failure) : std::string("no reply");
}

// A server may close a connection that has carried enough; we learn of it when
// we write the next MAIL. That is nobody's fault.
bool Attempt::ClosedWhileIdle() const {
  const auto& failure = connection_.session().failure();
  return reused_ && failure && failure->stage == smtp::ClientStage::kMail && !failure->reply &&
         !connection_.timed_out();
}

AttemptResult Attempt::Summarise(const smtp::TransactionResult& transaction) const {
  if (stop_ != Stop::kNone || abandoned_) return AttemptResult::kAbandoned;
  if (connection_.session().failure()) {
    return ClosedWhileIdle() ? AttemptResult::kAbandoned : AttemptResult::kBroken;
  }
  bool deferred = false;
  for (const smtp::RecipientResult& recipient : transaction.recipients) {
    if (recipient.verdict == RecipientVerdict::kDelivered) return AttemptResult::kDelivered;
    deferred |= recipient.verdict == RecipientVerdict::kDeferred;
  }
  return deferred ? AttemptResult::kDeferred : AttemptResult::kRejected;
}

void Attempt::Log(const std::vector<LegResult>& results, AttemptResult result,
                  const smtp::TransactionResult& transaction) {
  const Duration duration = BootClock::now() - started_;
  const int code = CodeOf(transaction, result);
  context_.metrics.CountAttempt(NameOf(result), code, duration);
  const auto done = [](const LegResult& leg) { return leg.kind == LegResult::Kind::kDone; };
  const auto delivered = std::count_if(results.begin(), results.end(), done);
  if (delivered > 0) {
    context_.metrics.CountDelivery(WallNow() - message_.received_at);
    const auto first = std::find_if(results.begin(), results.end(), done);
    context_.log.Info("message_delivered", {{log::kMessageId, message_.id},
                                            {log::kRoute, route_name_},
                                            {log::kCount, delivered},
                                            {log::kSeconds, duration},
                                            {log::kCode, code},
                                            {log::kReply, *first->reply}});
  }
  if (result == AttemptResult::kAbandoned) {
    context_.log.Info(
        "attempt_abandoned",
        {{log::kMessageId, message_.id}, {log::kRoute, route_name_}, {log::kReason, stop_reason_}});
    return;
  }
  for (const LegResult& leg : results) {
    if (done(leg) || leg.reply == nullptr) continue;
    context_.log.Info("leg_deferred", {{log::kMessageId, message_.id},
                                       {log::kLeg, leg.leg},
                                       {log::kRoute, route_name_},
                                       {log::kReply, *leg.reply}});
  }
}

}  // namespace fermo::node
