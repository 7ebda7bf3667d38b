#include "lib/smtp/server_session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/smtp/reply_for_status.h"

namespace fermo::smtp {
namespace {

// The decoder may go three octets beyond what it is told.
constexpr size_t kContentLimit = kMaxContentChunk - 4;
// A message beyond this gets its whole chunk at once: growing by doubling would
// take twice the chunk in the end.
constexpr size_t kSmallContent = size_t{32} * 1024;
// An endless line is a broken or hostile client (RFC 5321 7.8).
constexpr size_t kMaxDiscard = size_t{64} * 1024;

}  // namespace

ServerSession::ServerSession(ServerOptions options, ServerHost* host)
    : options_(std::move(options)), host_(host) {}

void ServerSession::Start() {
  Respond(Verb::kConnect,
          MakePlainReply(220, absl::StrCat(options_.hostname, " ESMTP Fermoposta")));
}

std::string ServerSession::TakeOutput(std::string reuse) {
  reuse.clear();
  std::swap(reuse, output_);
  return reuse;
}

std::string ServerSession::TakeContent() { return std::exchange(content_, std::string()); }

ServerAction ServerSession::Advance(std::string_view& input) {
  while (true) {
    switch (state_) {
      case State::kCommand: {
        const std::optional<std::string_view> line = TakeLine(input);
        if (state_ == State::kClosed) break;
        if (!line) return ServerAction::kRead;
        HandleLine(*line);
        break;
      }
      case State::kOpening:
        return ServerAction::kOpen;
      case State::kContent: {
        const ServerAction action = AdvanceContent(input);
        if (state_ == State::kContent || action != ServerAction::kRead) return action;
        break;  // the content ended in a refusal, commands follow
      }
      case State::kWriting:
        return ServerAction::kWrite;
      case State::kCommitting:
        return ServerAction::kCommit;
      case State::kClosed:
        input = {};
        return ServerAction::kClose;
    }
  }
}

// The next line without its CRLF. A CR or LF by itself ends nothing: it stays
// in the line, which is then refused as a whole (RFC 5321 2.3.8).
std::optional<std::string_view> ServerSession::TakeLine(std::string_view& input) {
  if (discarding_ && !DiscardLine(input)) return std::nullopt;
  size_t end = 0;
  while (true) {
    end = input.find('\n', end);
    if (end == std::string_view::npos) break;
    const bool after_cr = end > 0 ? input[end - 1] == '\r' : !line_.empty() && line_.back() == '\r';
    ++end;
    if (after_cr) break;
  }
  const bool complete = end != std::string_view::npos;
  const std::string_view piece = input.substr(0, complete ? end : input.size());
  const size_t length = line_.size() + piece.size();
  if (length > options_.max_command_line + 2) {
    discarding_ = true;
    discard_after_cr_ = !line_.empty() && line_.back() == '\r';
    discarded_ = line_.size();
    line_.clear();
    return TakeLine(input);
  }
  input.remove_prefix(piece.size());
  if (!complete) {
    line_.append(piece);
    return std::nullopt;
  }
  if (line_.empty()) return piece.substr(0, piece.size() - 2);
  held_line_ = std::exchange(line_, std::string());
  held_line_.append(piece);
  return std::string_view(held_line_).substr(0, held_line_.size() - 2);
}

// Swallows an overlong line; true when its end was found and answered.
bool ServerSession::DiscardLine(std::string_view& input) {
  size_t used = 0;
  bool found = false;
  while (used < input.size() && !found) {
    const char c = input[used++];
    found = c == '\n' && discard_after_cr_;
    discard_after_cr_ = c == '\r';
  }
  input.remove_prefix(used);
  discarded_ += used;
  if (discarded_ > kMaxDiscard) {
    Close(Verb::kUnknown,
          MakeReply(421, {4, 7, 0}, absl::StrCat(options_.hostname, " Endless line, closing")));
    return false;
  }
  if (!found) return false;
  discarding_ = false;
  RespondError(Verb::kUnknown, MakeReply(500, {5, 5, 2}, "Line too long"));
  return state_ == State::kCommand;
}

ServerAction ServerSession::AdvanceContent(std::string_view& input) {
  while (true) {
    if (abandon_) {
      abandon_ = false;
      return ServerAction::kAbandon;
    }
    const size_t before = content_.size();
    if (before + input.size() > kSmallContent) content_.reserve(kMaxContentChunk);
    const bool ended = decoder_.Decode(input, content_, kContentLimit);
    if (refusal_) {
      content_.clear();
    } else {
      Inspect(std::string_view(content_).substr(before));
    }
    if (ended) return EndContent();
    if (content_.size() >= kContentLimit) {
      state_ = State::kWriting;
      return ServerAction::kWrite;
    }
    if (input.empty() && !abandon_) return ServerAction::kRead;
  }
}

// Looks at content that has just been decoded. One refusal is enough; what
// follows it is swallowed up to the true end.
void ServerSession::Inspect(std::string_view fresh) {
  content_octets_ += fresh.size();
  received_.Scan(fresh);
  if (decoder_.bad()) {
    RefuseContent(MakeReply(554, {5, 6, 0}, "Message holds a bare CR, a bare LF or a NUL"));
  } else if (content_octets_ > options_.max_message_size) {
    RefuseContent(
        MakeReply(552, {5, 3, 4},
                  absl::StrCat("Message is larger than ", options_.max_message_size, " octets")));
  } else if (received_.count() >= options_.max_received_fields) {
    RefuseContent(MakeReply(554, {5, 4, 6}, "Too many Received fields: the message loops"));
  }
}

void ServerSession::RefuseContent(Reply reply) {
  refusal_ = std::move(reply);
  abandon_ = true;
  content_ = std::string();
}

ServerAction ServerSession::EndContent() {
  if (!refusal_) {
    state_ = State::kCommitting;
    return ServerAction::kCommit;
  }
  const bool tell = std::exchange(abandon_, false);
  state_ = State::kCommand;
  const Reply reply = *std::move(refusal_);
  refusal_.reset();
  EndTransaction();
  // Counted against the budget, yet always told: a 421 in its place would bring
  // the same message back.
  if (reply.klass() == ReplyClass::kPermanent) ++errors_;
  Respond(Verb::kContent, reply);
  AfterMessage();
  return tell ? ServerAction::kAbandon : ServerAction::kRead;
}

void ServerSession::OnOpened(const absl::Status& status, WallTime now) {
  if (state_ != State::kOpening) return;
  if (!status.ok()) {
    state_ = State::kCommand;
    EndTransaction();
    Respond(Verb::kData, ReplyForStatus(status));
    AfterMessage();
    return;
  }
  TraceInfo trace;
  trace.helo = envelope_.helo;
  trace.client_address = options_.client_address;
  trace.hostname = options_.hostname;
  trace.extended = envelope_.extended;
  trace.id = envelope_.transaction_id;
  if (envelope_.forward_paths.size() == 1) trace.single_recipient = envelope_.forward_paths.front();
  trace.at = now;
  decoder_.Reset();
  received_ = ReceivedCounter();
  refusal_.reset();
  abandon_ = false;
  content_octets_ = 0;
  content_ = ReceivedField(trace);
  if (envelope_.declared_size > 0) {
    content_.reserve(
        std::min<uint64_t>(content_.size() + envelope_.declared_size + 16, kMaxContentChunk));
  }
  state_ = State::kContent;
  Respond(Verb::kData, MakePlainReply(354, "End data with <CRLF>.<CRLF>"));
}

void ServerSession::OnWritten(const absl::Status& status) {
  if (state_ != State::kWriting) return;
  state_ = State::kContent;
  if (!status.ok()) refusal_ = ReplyForStatus(status);
}

void ServerSession::OnCommitted(const absl::StatusOr<std::string>& message_id) {
  if (state_ != State::kCommitting) return;
  state_ = State::kCommand;
  EndTransaction();
  if (message_id.ok()) {
    errors_ = 0;
    idle_commands_ = 0;
    Respond(Verb::kContent, MakeReply(250, {2, 0, 0}, absl::StrCat("Ok: queued as ", *message_id)));
  } else {
    Respond(Verb::kContent, ReplyForStatus(message_id.status()));
  }
  AfterMessage();
}

void ServerSession::OnTimeout() {
  if (state_ == State::kClosed) return;
  Close(Verb::kNone, MakeReply(421, {4, 4, 2},
                               absl::StrCat(options_.hostname, " Silent for too long, closing")));
}

void ServerSession::OnDrain() {
  draining_ = true;
  if (state_ == State::kCommand) AfterMessage();
}

void ServerSession::AfterMessage() {
  if (!draining_ || state_ == State::kClosed) return;
  Close(Verb::kNone, MakeReply(421, {4, 3, 2},
                               absl::StrCat(options_.hostname, " Going down, please try again")));
}

}  // namespace fermo::smtp
