// What ClientSession makes of the server's replies.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "lib/smtp/client_session.h"
#include "lib/smtp/command.h"

namespace fermo::smtp {
namespace {

// RFC 5321 4.5.3.1.10: 452, or 552 from older servers, says that the server
// takes no more recipients in this transaction. An enhanced code of its own,
// such as 4.2.2 for a full mailbox, says otherwise.
bool MeansTooMany(const Reply& reply) {
  if (reply.code != 452 && reply.code != 552) return false;
  return !reply.enhanced || (reply.enhanced->subject == 5 && reply.enhanced->detail == 3);
}

RecipientVerdict VerdictFor(const Reply& reply) {
  return reply.klass() == ReplyClass::kPermanent ? RecipientVerdict::kRejected
                                                 : RecipientVerdict::kDeferred;
}

bool IsRefusal(const Reply& reply) {
  return reply.klass() == ReplyClass::kPermanent || reply.klass() == ReplyClass::kTransient;
}

}  // namespace

void ClientSession::Receive(std::string_view octets) {
  while (phase_ != ClientPhase::kEnded) {
    absl::StatusOr<std::optional<Reply>> reply = parser_.Next(octets);
    if (!reply.ok()) {
      const absl::string_view why = reply.status().message();
      return Fail(stage(), std::nullopt, std::string_view(why.data(), why.size()));
    }
    if (!reply->has_value()) return;
    OnReply(**std::move(reply));
  }
}

void ClientSession::ConnectionLost(std::string_view why) {
  if (phase_ == ClientPhase::kEnded) return;
  if (phase_ == ClientPhase::kQuit) {
    phase_ = ClientPhase::kEnded;
    return;
  }
  Fail(stage(), std::nullopt, why);
}

void ClientSession::OnReply(Reply reply) {
  if (reply.code == 421 && phase_ != ClientPhase::kQuit) {
    return Fail(stage(), std::move(reply), "the server closes the connection");
  }
  if (phase_ == ClientPhase::kGreeting) return OnGreeting(std::move(reply));
  if (phase_ == ClientPhase::kFinalReply) return OnFinalDot(std::move(reply));
  if (pending_.empty()) return Fail(stage(), std::move(reply), "a reply that nothing asked for");
  const Pending pending = pending_.front();
  pending_.pop_front();
  pending_octets_ -= pending.octets;
  switch (pending.verb) {
    case Verb::kEhlo:
    case Verb::kHelo:
      return OnHello(pending.verb, std::move(reply));
    case Verb::kMail:
      return OnMail(std::move(reply));
    case Verb::kRcpt:
      return OnRcpt(pending.recipient, std::move(reply));
    case Verb::kData:
      return OnData(std::move(reply));
    case Verb::kReset:
      return OnReset(std::move(reply));
    case Verb::kQuit:
      phase_ = ClientPhase::kEnded;
      return;
  }
}

void ClientSession::OnGreeting(Reply reply) {
  if (!reply.positive()) {
    return Fail(ClientStage::kGreeting, std::move(reply), "the server refuses connections");
  }
  greeting_ = std::move(reply);
  phase_ = ClientPhase::kHello;
  Send(Verb::kEhlo, absl::StrCat("EHLO ", options_.helo_name));
}

void ClientSession::OnHello(Verb verb, Reply reply) {
  if (reply.positive()) {
    if (verb == Verb::kEhlo) ParseExtensions(reply);
    phase_ = ClientPhase::kReady;
  } else if (verb == Verb::kEhlo && reply.klass() == ReplyClass::kPermanent) {
    Send(Verb::kHelo, absl::StrCat("HELO ", options_.helo_name));  // RFC 5321 3.2
  } else {
    Fail(ClientStage::kHello, std::move(reply), "the server refuses our name");
  }
}

void ClientSession::ParseExtensions(const Reply& reply) {
  extensions_ = ServerExtensions();
  for (size_t i = 1; i < reply.lines.size(); ++i) {
    const std::string_view line = reply.lines[i];
    const size_t space = std::min(line.find(' '), line.size());
    const std::string keyword = absl::AsciiStrToUpper(absl::string_view(line.data(), space));
    if (keyword == "PIPELINING") extensions_.pipelining = true;
    if (keyword == "8BITMIME") extensions_.eight_bit_mime = true;
    if (keyword == "ENHANCEDSTATUSCODES") extensions_.enhanced_status_codes = true;
    if (keyword == "STARTTLS") extensions_.starttls = true;
    if (keyword == "DSN") extensions_.dsn = true;
    if (keyword == "SMTPUTF8") extensions_.smtputf8 = true;
    if (keyword == "CHUNKING") extensions_.chunking = true;
    if (keyword == "SIZE") {
      extensions_.size = true;
      const auto limit = ParseSizeValue(line.substr(std::min(space + 1, line.size())));
      if (limit.ok()) extensions_.max_size = *limit;
    }
  }
}

void ClientSession::OnMail(Reply reply) {
  if (reply.positive()) {
    needs_reset_ = true;
  } else if (IsRefusal(reply)) {
    DecideUndecided(VerdictFor(reply), ClientStage::kMail, reply);
  } else {
    return Fail(ClientStage::kMail, std::move(reply), "broken reply to MAIL");
  }
  PumpEnvelope();
}

void ClientSession::OnRcpt(size_t recipient, Reply reply) {
  if (decided_[recipient]) {
    // MAIL was refused, and this one was on its way already.
  } else if (reply.positive()) {
    ++accepted_;
  } else if (IsRefusal(reply)) {
    const RecipientVerdict verdict = accepted_ > 0 && MeansTooMany(reply)
                                         ? RecipientVerdict::kNextTransaction
                                         : VerdictFor(reply);
    Decide(recipient, verdict, ClientStage::kRcpt, std::move(reply));
  } else {
    return Fail(ClientStage::kRcpt, std::move(reply), "broken reply to RCPT");
  }
  PumpEnvelope();
}

void ClientSession::OnData(Reply reply) {
  const bool wanted = std::any_of(decided_.begin(), decided_.end(),
                                  [](const auto& result) { return !result.has_value(); });
  if (reply.klass() == ReplyClass::kIntermediate) {
    if (wanted) {
      phase_ = ClientPhase::kContent;
      return;
    }
    // Nobody is to receive it, and there is no other way out (RFC 2920 3.1).
    output_.append(".\r\n");
    empty_dot_ = true;
    phase_ = ClientPhase::kFinalReply;
    return;
  }
  if (!IsRefusal(reply)) return Fail(ClientStage::kData, std::move(reply), "broken reply to DATA");
  DecideUndecided(VerdictFor(reply), ClientStage::kData, reply);
  PumpEnvelope();
}

void ClientSession::OnFinalDot(Reply reply) {
  if (!empty_dot_) {
    if (reply.positive()) {
      DecideUndecided(RecipientVerdict::kDelivered, ClientStage::kFinalDot, reply);
    } else if (IsRefusal(reply)) {
      DecideUndecided(VerdictFor(reply), ClientStage::kFinalDot, reply);
    } else {
      return Fail(ClientStage::kFinalDot, std::move(reply), "broken reply to the final dot");
    }
  }
  needs_reset_ = false;  // the dot ended the transaction, whatever the reply
  FinishTransaction();
}

void ClientSession::OnReset(Reply reply) {
  if (!reply.positive()) {
    return Fail(ClientStage::kReset, std::move(reply), "the server refuses RSET");
  }
  if (phase_ == ClientPhase::kReset) {
    phase_ = ClientPhase::kReady;
  } else {
    PumpEnvelope();
  }
}

void ClientSession::Decide(size_t recipient, RecipientVerdict verdict, ClientStage stage,
                           std::optional<Reply> reply) {
  RecipientResult result;
  result.verdict = verdict;
  result.stage = stage;
  result.reply = std::move(reply);
  decided_[recipient] = std::move(result);
}

void ClientSession::DecideUndecided(RecipientVerdict verdict, ClientStage stage,
                                    const std::optional<Reply>& reply) {
  for (size_t i = 0; i < decided_.size(); ++i) {
    if (!decided_[i]) Decide(i, verdict, stage, reply);
  }
}

void ClientSession::FinishTransaction() {
  if (!in_transaction_) return;
  in_transaction_ = false;
  TransactionResult result;
  for (auto& decided : decided_) result.recipients.push_back(*std::move(decided));
  decided_.clear();
  result.connection_usable = phase_ != ClientPhase::kEnded;
  result_ = std::move(result);
  if (phase_ != ClientPhase::kEnded) phase_ = ClientPhase::kReady;
}

// The connection is of no more use. A reply to the final dot settles the
// message even then; silence leaves it unknown.
void ClientSession::Fail(ClientStage stage, std::optional<Reply> reply, std::string_view text) {
  const bool answered = reply && reply->klass() == ReplyClass::kTransient;
  const bool unknown = phase_ == ClientPhase::kFinalReply && !empty_dot_ && !answered;
  ClientFailure failure;
  failure.stage = stage;
  failure.text = std::string(text);
  failure.reply = reply;
  failure_ = std::move(failure);
  phase_ = ClientPhase::kEnded;
  pending_.clear();
  pending_octets_ = 0;
  DecideUndecided(unknown ? RecipientVerdict::kUnknown : RecipientVerdict::kDeferred, stage, reply);
  FinishTransaction();
}

}  // namespace fermo::smtp
