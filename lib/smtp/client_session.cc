#include "lib/smtp/client_session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/smtp/address.h"

namespace fermo::smtp {
namespace {

constexpr std::array<std::string_view, 9> kStageNames = {
    "greeting", "EHLO", "MAIL", "RCPT", "DATA", "content", "final dot", "RSET", "QUIT"};
constexpr std::array<std::string_view, 6> kVerdictNames = {
    "delivered", "deferred", "rejected", "next transaction", "unknown", "needs 8BITMIME"};

bool IsSendable(const std::string& path, PathKind kind) { return ParseMailbox(path, kind).ok(); }

}  // namespace

std::string_view ToString(ClientStage stage) { return kStageNames[static_cast<size_t>(stage)]; }

std::string_view ToString(RecipientVerdict verdict) {
  return kVerdictNames[static_cast<size_t>(verdict)];
}

std::chrono::seconds StandardTimeout(ClientStage stage) {
  using std::chrono::minutes;
  switch (stage) {
    case ClientStage::kData:
      return minutes(2);
    case ClientStage::kContent:
      return minutes(3);
    case ClientStage::kFinalDot:
      return minutes(10);
    default:
      return minutes(5);
  }
}

ClientSession::ClientSession(ClientOptions options)
    : options_(std::move(options)), parser_(options_.reply_limits) {}

void ClientSession::SetHeloName(std::string name) { options_.helo_name = std::move(name); }

ClientStage ClientSession::stage() const {
  if (!pending_.empty()) {
    switch (pending_.front().verb) {
      case Verb::kEhlo:
      case Verb::kHelo:
        return ClientStage::kHello;
      case Verb::kMail:
        return ClientStage::kMail;
      case Verb::kRcpt:
        return ClientStage::kRcpt;
      case Verb::kData:
        return ClientStage::kData;
      case Verb::kReset:
        return ClientStage::kReset;
      case Verb::kQuit:
        return ClientStage::kQuit;
    }
  }
  switch (phase_) {
    case ClientPhase::kGreeting:
      return ClientStage::kGreeting;
    case ClientPhase::kContent:
      return ClientStage::kContent;
    case ClientPhase::kFinalReply:
      return ClientStage::kFinalDot;
    default:
      return ClientStage::kMail;
  }
}

std::string ClientSession::TakeOutput() { return std::exchange(output_, std::string()); }

void ClientSession::Send(Verb verb, std::string_view line, size_t recipient) {
  const size_t before = output_.size();
  output_.append(line);
  output_.append("\r\n");
  Pending pending{verb, recipient, output_.size() - before};
  pending_octets_ += pending.octets;
  pending_.push_back(pending);
}

void ClientSession::StartTransaction(ClientTransaction transaction) {
  if (phase_ != ClientPhase::kReady) return;
  transaction_ = std::move(transaction);
  decided_.assign(transaction_.forward_paths.size(), std::nullopt);
  in_transaction_ = true;
  next_recipient_ = 0;
  accepted_ = 0;
  mail_sent_ = false;
  data_sent_ = false;
  final_dot_sent_ = false;
  empty_dot_ = false;
  result_.reset();
  encoder_.Reset();
  if (transaction_.body == BodyType::k8BitMime && !extensions_.eight_bit_mime) {
    DecideUndecided(RecipientVerdict::kNeeds8BitMime, ClientStage::kMail, std::nullopt);
  } else if (!IsSendable(transaction_.reverse_path, PathKind::kReverse)) {
    DecideUndecided(RecipientVerdict::kRejected, ClientStage::kMail,
                    MakeReply(501, {5, 1, 7}, "Reverse-path can't be sent"));
  }
  for (size_t i = 0; i < decided_.size(); ++i) {
    if (decided_[i] || IsSendable(transaction_.forward_paths[i], PathKind::kForward)) continue;
    Decide(i, RecipientVerdict::kRejected, ClientStage::kRcpt,
           MakeReply(501, {5, 1, 3}, "Forward-path can't be sent"));
  }
  phase_ = ClientPhase::kEnvelope;
  PumpEnvelope();
}

bool ClientSession::WindowHasRoom(size_t octets) const {
  if (pending_.empty()) return true;
  const bool pipelining = extensions_.pipelining && options_.allow_pipelining;
  return pipelining && pending_.size() < options_.max_window_commands &&
         pending_octets_ + octets <= options_.max_window_octets;
}

std::string ClientSession::MailLine() const {
  std::string line = absl::StrCat("MAIL FROM:<", transaction_.reverse_path, ">");
  if (extensions_.size && transaction_.size > 0) {
    absl::StrAppend(&line, " SIZE=", transaction_.size);
  }
  if (extensions_.eight_bit_mime && transaction_.body != BodyType::kUnspecified) {
    absl::StrAppend(&line,
                    transaction_.body == BodyType::k8BitMime ? " BODY=8BITMIME" : " BODY=7BIT");
  }
  return line;
}

// Sends what may be sent now and finishes when nothing more is to be expected.
void ClientSession::PumpEnvelope() {
  while (SendNextOfEnvelope()) {
  }
  if (pending_.empty() && phase_ == ClientPhase::kEnvelope) FinishTransaction();
}

// RSET where it is owed, MAIL, each RCPT, DATA. Nothing more once every
// recipient has its result. DATA goes without waiting where RCPTs that may yet
// be accepted are on their way (RFC 2920 3.1).
bool ClientSession::SendNextOfEnvelope() {
  const bool undecided = std::any_of(decided_.begin(), decided_.end(),
                                     [](const auto& result) { return !result.has_value(); });
  if (!undecided || data_sent_) return false;
  if (needs_reset_ && !mail_sent_) {
    if (!WindowHasRoom(6)) return false;
    needs_reset_ = false;
    Send(Verb::kReset, "RSET");
    return true;
  }
  if (!mail_sent_) {
    const std::string line = MailLine();
    if (!WindowHasRoom(line.size() + 2)) return false;
    mail_sent_ = true;
    Send(Verb::kMail, line);
    return true;
  }
  while (next_recipient_ < decided_.size() && decided_[next_recipient_]) ++next_recipient_;
  if (next_recipient_ < decided_.size()) {
    const std::string line =
        absl::StrCat("RCPT TO:<", transaction_.forward_paths[next_recipient_], ">");
    if (!WindowHasRoom(line.size() + 2)) return false;
    Send(Verb::kRcpt, line, next_recipient_++);
    return true;
  }
  if (!WindowHasRoom(6)) return false;
  data_sent_ = true;
  Send(Verb::kData, "DATA");
  return true;
}

absl::Status ClientSession::AddContent(std::string_view octets) {
  if (phase_ != ClientPhase::kContent) return absl::FailedPreconditionError("not at the content");
  absl::Status status = encoder_.Encode(octets, output_);
  if (!status.ok()) {
    output_.clear();  // nothing of a broken message goes further
    Fail(ClientStage::kContent, std::nullopt, "content can't be sent by SMTP");
  }
  return status;
}

absl::Status ClientSession::SendFinalDot() {
  if (phase_ != ClientPhase::kContent) return absl::FailedPreconditionError("not at the content");
  absl::Status status = encoder_.Finish(output_);
  if (!status.ok()) {
    output_.clear();
    Fail(ClientStage::kContent, std::nullopt, "content can't be sent by SMTP");
    return status;
  }
  final_dot_sent_ = true;
  phase_ = ClientPhase::kFinalReply;
  return status;
}

void ClientSession::Reset() {
  if (phase_ != ClientPhase::kReady) return;
  needs_reset_ = false;
  phase_ = ClientPhase::kReset;
  Send(Verb::kReset, "RSET");
}

void ClientSession::Quit() {
  if (phase_ != ClientPhase::kReady) return;
  phase_ = ClientPhase::kQuit;
  Send(Verb::kQuit, "QUIT");
}

std::optional<TransactionResult> ClientSession::TakeResult() {
  return std::exchange(result_, std::nullopt);
}

}  // namespace fermo::smtp
