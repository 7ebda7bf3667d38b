// The commands of ServerSession.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/smtp/server_session.h"

namespace fermo::smtp {
namespace {

bool Is(std::string_view text, absl::string_view wanted) {
  return absl::EqualsIgnoreCase(absl::string_view(text.data(), text.size()), wanted);
}

// A grammar error of a path or its parameters, with the status code that says
// whose address was wrong (RFC 3463 3.2: X.1.7 sender, X.1.3 recipient).
Reply SyntaxReply(const absl::Status& status, EnhancedCode enhanced) {
  const absl::string_view text = status.message();
  return MakeReply(501, enhanced, std::string_view(text.data(), text.size()));
}

}  // namespace

void ServerSession::Respond(Verb verb, const Reply& reply) {
  AppendTo(reply, output_);
  host_->Replied(verb, reply);
}

void ServerSession::Close(Verb verb, const Reply& reply) {
  Respond(verb, reply);
  state_ = State::kClosed;
}

void ServerSession::RespondError(Verb verb, const Reply& reply) {
  if (++errors_ <= options_.max_errors) {
    Respond(verb, reply);
    return;
  }
  Close(verb,
        MakeReply(421, {4, 7, 0}, absl::StrCat(options_.hostname, " Too many errors, closing")));
}

void ServerSession::RespondIdle(Verb verb, const Reply& reply) {
  if (++idle_commands_ <= options_.max_idle_commands) {
    Respond(verb, reply);
  } else {
    RespondError(verb, reply);
  }
}

void ServerSession::EndTransaction() {
  mail_given_ = false;
  rcpt_tried_ = false;
  envelope_ = ServerEnvelope();
}

void ServerSession::HandleLine(std::string_view line) {
  if (!IsCommandText(line)) {
    RespondError(Verb::kUnknown, MakeReply(500, {5, 5, 2}, "Bad octet in a command line"));
    return;
  }
  HandleCommand(ParseCommand(line));
}

void ServerSession::HandleCommand(const Command& command) {
  switch (command.verb) {
    case Verb::kEhlo:
    case Verb::kHelo:
      return HandleHello(command);
    case Verb::kMail:
      return HandleMail(command.argument);
    case Verb::kRcpt:
      return HandleRcpt(command.argument);
    case Verb::kData:
      return HandleData(command.argument);
    case Verb::kRset:
      return HandleReset(command.argument);
    case Verb::kQuit:
      return HandleQuit(command.argument);
    case Verb::kNoop:
      return RespondIdle(command.verb, MakeReply(250, {2, 0, 0}, "Ok"));
    case Verb::kHelp:
      return RespondIdle(command.verb, MakeReply(214, {2, 0, 0},
                                                 "RFC 5321: EHLO HELO MAIL RCPT DATA RSET NOOP "
                                                 "VRFY HELP QUIT"));
    case Verb::kVrfy:
      if (command.argument.empty()) {
        return RespondError(command.verb, MakeReply(501, {5, 5, 4}, "VRFY needs an argument"));
      }
      return RespondIdle(command.verb,  // RFC 5321 7.3: reveal nothing
                         MakeReply(252, {2, 5, 0}, "Can't verify, send some mail and see"));
    case Verb::kUnimplemented:
      return RespondError(command.verb, MakeReply(502, {5, 5, 1}, "Command not implemented"));
    case Verb::kForbidden:
      return Close(command.verb,
                   MakeReply(421, {4, 7, 0}, absl::StrCat(options_.hostname, " This is SMTP")));
    default:
      return RespondError(Verb::kUnknown, MakeReply(500, {5, 5, 2}, "Unknown command"));
  }
}

// RFC 5321 4.1.4: an accepted EHLO or HELO resets, a refused one changes nothing.
void ServerSession::HandleHello(const Command& command) {
  if (!IsClientName(command.argument)) {
    return RespondError(command.verb, MakePlainReply(501, "A domain or address literal is needed"));
  }
  EndTransaction();
  greeted_ = true;
  helo_ = std::string(command.argument);
  extended_ = command.verb == Verb::kEhlo;
  Reply reply = MakePlainReply(250, options_.hostname);
  if (extended_) {
    reply.lines.emplace_back("PIPELINING");
    reply.lines.push_back(absl::StrCat("SIZE ", options_.max_message_size));
    reply.lines.emplace_back("8BITMIME");
    reply.lines.emplace_back("ENHANCEDSTATUSCODES");
  }
  RespondIdle(command.verb, reply);
}

void ServerSession::HandleMail(std::string_view argument) {
  if (!greeted_) {
    return RespondError(Verb::kMail, MakeReply(503, {5, 5, 1}, "Say EHLO first"));
  }
  if (mail_given_) {
    return RespondError(Verb::kMail, MakeReply(503, {5, 5, 1}, "A transaction has begun already"));
  }
  if (!TakePathPrefix(argument, PathKind::kReverse)) {
    return RespondError(Verb::kMail, MakeReply(501, {5, 5, 4}, "Write MAIL FROM:<address>"));
  }
  const absl::StatusOr<Path> path = ConsumePath(argument, PathKind::kReverse);
  if (!path.ok()) return RespondError(Verb::kMail, SyntaxReply(path.status(), {5, 1, 7}));
  if (path->ToString().size() > options_.max_path_octets) {
    return RespondError(Verb::kMail, MakeReply(501, {5, 1, 7}, "Reverse-path too long"));
  }
  const auto parameters = ParseParameters(argument);
  if (!parameters.ok()) {
    return RespondError(Verb::kMail, SyntaxReply(parameters.status(), {5, 5, 4}));
  }
  ServerEnvelope envelope;
  for (const Parameter& parameter : *parameters) {
    if (std::optional<Reply> refusal = ApplyMailParameter(parameter, envelope)) {
      return RespondError(Verb::kMail, *refusal);
    }
  }
  envelope.reverse_path = path->ToString();
  envelope.helo = helo_;
  envelope.extended = extended_;
  envelope.transaction_id = absl::StrCat(options_.session_id, ".", ++transactions_);
  envelope_ = std::move(envelope);
  mail_given_ = true;
  Respond(Verb::kMail, MakeReply(250, {2, 1, 0}, "Ok"));
}

std::optional<Reply> ServerSession::ApplyMailParameter(const Parameter& parameter,
                                                       ServerEnvelope& envelope) {
  if (Is(parameter.keyword, "SIZE")) {
    const absl::StatusOr<uint64_t> size = ParseSizeValue(parameter.value.value_or(""));
    if (!size.ok()) return SyntaxReply(size.status(), {5, 5, 4});
    if (*size > options_.max_message_size) {
      return MakeReply(
          552, {5, 3, 4},
          absl::StrCat("Message is larger than ", options_.max_message_size, " octets"));
    }
    envelope.declared_size = *size;
    return std::nullopt;
  }
  if (Is(parameter.keyword, "BODY")) {
    const std::string_view value = parameter.value.value_or("");
    if (Is(value, "7BIT")) {
      envelope.body = BodyType::k7Bit;
    } else if (Is(value, "8BITMIME")) {
      envelope.body = BodyType::k8BitMime;
    } else {
      return MakeReply(501, {5, 5, 4}, "BODY is 7BIT or 8BITMIME");
    }
    return std::nullopt;
  }
  return MakeReply(555, {5, 5, 4}, "Unknown parameter of MAIL");
}

void ServerSession::HandleRcpt(std::string_view argument) {
  if (!mail_given_) {
    return RespondError(Verb::kRcpt, MakeReply(503, {5, 5, 1}, "MAIL comes first"));
  }
  rcpt_tried_ = true;
  if (!TakePathPrefix(argument, PathKind::kForward)) {
    return RespondError(Verb::kRcpt, MakeReply(501, {5, 5, 4}, "Write RCPT TO:<address>"));
  }
  absl::StatusOr<Path> path = ConsumePath(argument, PathKind::kForward);
  if (!path.ok()) return RespondError(Verb::kRcpt, SyntaxReply(path.status(), {5, 1, 3}));
  const auto parameters = ParseParameters(argument);
  if (!parameters.ok()) {
    return RespondError(Verb::kRcpt, SyntaxReply(parameters.status(), {5, 5, 4}));
  }
  if (!parameters->empty()) {
    return RespondError(Verb::kRcpt, MakeReply(555, {5, 5, 4}, "Unknown parameter of RCPT"));
  }
  AddRecipient(*std::move(path));
}

void ServerSession::AddRecipient(Path path) {
  if (path.domain.empty()) path.domain = options_.default_domain;
  std::string text = path.ToString();
  std::optional<Reply> refusal;
  if (path.domain.empty()) {
    refusal = MakeReply(550, {5, 7, 1}, "Write postmaster with the domain that you mean");
  } else if (text.size() > options_.max_path_octets) {
    refusal = MakeReply(501, {5, 1, 3}, "Forward-path too long");
  } else if (HasHiddenRoute(path)) {
    refusal = MakeReply(550, {5, 7, 1}, "Relaying denied: the local-part holds a route");
  } else {
    refusal = host_->RefuseRecipient(path);
  }
  if (refusal) {
    if (refusal->klass() == ReplyClass::kPermanent) return RespondError(Verb::kRcpt, *refusal);
    return Respond(Verb::kRcpt, *refusal);
  }
  auto& paths = envelope_.forward_paths;
  // Given twice, delivered once.
  if (std::find(paths.begin(), paths.end(), text) == paths.end()) {
    if (paths.size() >= options_.max_recipients) {
      return Respond(Verb::kRcpt, MakeReply(452, {4, 5, 3}, "Too many recipients"));
    }
    paths.push_back(std::move(text));
  }
  Respond(Verb::kRcpt, MakeReply(250, {2, 1, 5}, "Ok"));
}

void ServerSession::HandleData(std::string_view argument) {
  if (!argument.empty()) {
    return RespondError(Verb::kData, MakeReply(501, {5, 5, 4}, "DATA takes no argument"));
  }
  if (!mail_given_) {
    return RespondError(Verb::kData, MakeReply(503, {5, 5, 1}, "MAIL and RCPT come first"));
  }
  if (envelope_.forward_paths.empty()) {
    return rcpt_tried_ ? RespondError(Verb::kData, MakeReply(554, {5, 5, 1}, "No valid recipients"))
                       : RespondError(Verb::kData, MakeReply(503, {5, 5, 1}, "RCPT comes first"));
  }
  state_ = State::kOpening;
}

void ServerSession::HandleReset(std::string_view argument) {
  if (!argument.empty()) {
    return RespondError(Verb::kRset, MakeReply(501, {5, 5, 4}, "RSET takes no argument"));
  }
  EndTransaction();
  RespondIdle(Verb::kRset, MakeReply(250, {2, 0, 0}, "Ok"));
}

void ServerSession::HandleQuit(std::string_view argument) {
  if (!argument.empty()) {
    return RespondError(Verb::kQuit, MakeReply(501, {5, 5, 4}, "QUIT takes no argument"));
  }
  Close(Verb::kQuit, MakeReply(221, {2, 0, 0}, absl::StrCat(options_.hostname, " Goodbye")));
}

}  // namespace fermo::smtp
