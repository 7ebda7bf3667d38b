// The receiving side of SMTP over one connection, without the connection
// (RFC 5321; SIZE 1870, PIPELINING 2920, 8BITMIME 6152, ENHANCEDSTATUSCODES
// 2034). It takes octets and events and says what to do next.
//
// Owned by one caller, which owns the socket, the clock and the upload of the
// message to a safe place; one thread at a time; the host must outlive it.
// Nothing fails: whatever a client sends is answered, exactly one reply a
// command, and at worst ends in kClose. Memory: one command line, one envelope
// and at most kMaxContentChunk octets of content.
//
// The caller's loop: Start(), then
//   action = session.Advance(input)      // consumes from the front of `input`
//   before anything that waits, write session.TakeOutput() if HasOutput()
//   kRead:    read more octets (input is empty now), or OnTimeout()/OnDrain()
//   kOpen:    prepare to store session.envelope(), then OnOpened()
//   kWrite:   store TakeContent(), then OnWritten()
//   kCommit:  store TakeContent() as the last piece and make the message safe,
//             then OnCommitted()
//   kAbandon: forget the upload; nothing to answer
//   kClose:   write what is left and close
// Back-pressure is the caller's: it reads nothing before it has answered. Input
// behind the final dot stays unconsumed until OnCommitted().
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/time.h"
#include "lib/smtp/address.h"
#include "lib/smtp/command.h"
#include "lib/smtp/dot_codec.h"
#include "lib/smtp/envelope.h"
#include "lib/smtp/received.h"
#include "lib/smtp/reply.h"

namespace fermo::smtp {

struct ServerOptions {
  std::string hostname;        // FQDN, in the greeting and in Received
  std::string session_id;      // letters and digits; names the session in Received
  std::string client_address;  // IP literal without brackets
  std::string default_domain;  // where <postmaster> goes; empty: refused
  uint64_t max_message_size = uint64_t{50} * 1024 * 1024;  // octets, without our Received
  size_t max_path_octets = 512;                            // as printed, with every quote
  size_t max_recipients = 1000;                            // RFC 5321 4.5.3.1.8: at least 100
  size_t max_command_line = 4096;    // octets, without CRLF; 512 and the extensions' need
  size_t max_received_fields = 100;  // RFC 5321 6.3: at least 100
  size_t max_errors = 20;            // since the last accepted message; then 421
  size_t max_idle_commands = 100;    // NOOP, RSET, VRFY, HELP, EHLO: more count as errors
};

// One transaction, as MAIL and RCPT built it.
struct ServerEnvelope {
  std::string reverse_path;                // empty: <>
  std::vector<std::string> forward_paths;  // without duplicates
  uint64_t declared_size = 0;              // SIZE; 0: not told
  BodyType body = BodyType::kUnspecified;
  std::string helo;
  bool extended = false;       // greeted with EHLO
  std::string transaction_id;  // what Received names
};

// What a session asks and tells. Called from within Advance(), must not call back.
class ServerHost {
 public:
  virtual ~ServerHost() = default;
  // nullopt: mail for this path is taken; otherwise the refusal.
  virtual std::optional<Reply> RefuseRecipient(const Path& forward_path) = 0;
  // Each reply, for counting and logging.
  virtual void Replied(Verb verb, const Reply& reply) = 0;
};

enum class ServerAction { kRead, kOpen, kWrite, kCommit, kAbandon, kClose };

class ServerSession {
 public:
  ServerSession(ServerOptions options, ServerHost* host);

  void Start();  // queues the greeting
  ServerAction Advance(std::string_view& input);

  bool HasOutput() const { return !output_.empty(); }
  // The replies to be written now. The buffer that is given comes back into use.
  std::string TakeOutput(std::string reuse = {});

  // REQUIRES: the last action was kOpen, kWrite or kCommit.
  const ServerEnvelope& envelope() const { return envelope_; }
  std::string TakeContent();  // REQUIRES: the last action was kWrite or kCommit

  // Answers to kOpen, kWrite, kCommit. After a failed OnOpened() or OnWritten()
  // there is no upload to abandon; the sender hears ReplyForStatus().
  void OnOpened(const absl::Status& status, WallTime now);
  void OnWritten(const absl::Status& status);
  void OnCommitted(const absl::StatusOr<std::string>& message_id);

  // The client was silent for too long: 421 4.4.2. REQUIRES: the last action was kRead.
  void OnTimeout();
  // We are going down: 421 4.3.2 at once, or behind the reply to a message that
  // is on its way.
  void OnDrain();

  // Content is expected: the data timeout runs, not the command timeout.
  bool in_content() const { return state_ == State::kContent; }
  // Between MAIL's 250 and the end of the transaction.
  bool in_transaction() const { return mail_given_; }
  uint64_t content_octets() const { return content_octets_; }  // of the present or last message

 private:
  enum class State { kCommand, kOpening, kContent, kWriting, kCommitting, kClosed };

  std::optional<std::string_view> TakeLine(std::string_view& input);
  bool DiscardLine(std::string_view& input);
  void HandleLine(std::string_view line);
  void HandleCommand(const Command& command);
  void HandleHello(const Command& command);
  void HandleMail(std::string_view argument);
  void HandleRcpt(std::string_view argument);
  void AddRecipient(Path path);
  void HandleData(std::string_view argument);
  void HandleReset(std::string_view argument);
  void HandleQuit(std::string_view argument);
  std::optional<Reply> ApplyMailParameter(const Parameter& parameter, ServerEnvelope& envelope);

  ServerAction AdvanceContent(std::string_view& input);
  void Inspect(std::string_view fresh);
  void RefuseContent(Reply reply);
  ServerAction EndContent();

  void Respond(Verb verb, const Reply& reply);
  void RespondError(Verb verb, const Reply& reply);  // counts against the budget
  void RespondIdle(Verb verb, const Reply& reply);   // a command that leads nowhere
  void Close(Verb verb, const Reply& reply);
  void EndTransaction();
  void AfterMessage();

  ServerOptions options_;
  ServerHost* host_;
  State state_ = State::kCommand;
  std::string output_;

  std::string line_;       // the beginning of a command line
  std::string held_line_;  // a line that came in pieces, while it is handled
  bool discarding_ = false;
  bool discard_after_cr_ = false;
  size_t discarded_ = 0;

  bool greeted_ = false;
  bool mail_given_ = false;
  bool rcpt_tried_ = false;
  std::string helo_;
  bool extended_ = false;
  ServerEnvelope envelope_;
  uint64_t transactions_ = 0;
  size_t errors_ = 0;
  size_t idle_commands_ = 0;
  bool draining_ = false;

  DotDecoder decoder_;
  ReceivedCounter received_;
  std::string content_;
  uint64_t content_octets_ = 0;
  std::optional<Reply> refusal_;  // of the present content; it is swallowed
  bool abandon_ = false;          // the caller has yet to hear of it
};

}  // namespace fermo::smtp
