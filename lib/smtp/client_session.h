// The sending side of SMTP over one connection, without the connection: it
// says what to write and takes what was read (RFC 5321, 1870, 2920, 6152).
//
// Owned by one caller, which owns the socket and the clock; one thread at a
// time. Nothing here fails by itself: whatever the server does ends in a
// result for each recipient or in phase kEnded with a failure().
//
// The caller's loop:
//   while (session.phase() != ClientPhase::kEnded) {
//     if (session.HasOutput()) write session.TakeOutput();
//     switch (session.phase()) {
//       kReady:   if (auto result = session.TakeResult()) ...;
//                 session.StartTransaction(...), or Reset() or Quit();
//       kContent: session.AddContent(chunk) for each chunk (write after each),
//                 wait for permission, session.SendFinalDot();
//       others:   read with the timeout for session.stage(), session.Receive(octets);
//                 at end of file, error or timeout session.ConnectionLost(why);
//     }
//   }
//   if (auto result = session.TakeResult()) ...;   // a transaction cut short
//
// At kContent the caller may give up only by closing the connection and
// calling ConnectionLost(): SMTP has no other way out of DATA. A caller that
// reads while it sends content (to learn of a 421 early) may call Receive() in
// any phase.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "lib/smtp/dot_codec.h"
#include "lib/smtp/envelope.h"
#include "lib/smtp/reply.h"

namespace fermo::smtp {

enum class ClientPhase {
  kGreeting,    // read
  kHello,       // read
  kReady,       // the caller's turn: StartTransaction(), Reset() or Quit()
  kEnvelope,    // read: replies to MAIL, RCPT, DATA are awaited
  kContent,     // the caller's turn: AddContent()..., SendFinalDot()
  kFinalReply,  // read: the final dot is sent, the message may be theirs
  kReset,       // read
  kQuit,        // read; stop waiting whenever you like
  kEnded,       // close the socket
};

// Which command is awaited: what a reply or a failure belongs to, and which
// timeout of RFC 5321 4.5.3.2 runs.
enum class ClientStage {
  kGreeting,
  kHello,
  kMail,
  kRcpt,
  kData,
  kContent,
  kFinalDot,
  kReset,
  kQuit
};
std::string_view ToString(ClientStage stage);  // "greeting", "EHLO", "MAIL", "RCPT", "DATA", ...

// RFC 5321 4.5.3.2: greeting 5 min, MAIL 5 min, RCPT 5 min, DATA 2 min, each
// block of content 3 min, the reply to the final dot 10 min.
std::chrono::seconds StandardTimeout(ClientStage stage);

struct ClientOptions {
  std::string helo_name;            // FQDN or address literal, required at the greeting
  bool allow_pipelining = true;     // use it where offered
  size_t max_window_commands = 50;  // commands awaiting replies, so that neither side's
  size_t max_window_octets = 8192;  // buffers can fill up and block both (RFC 2920 3.1)
  ReplyLimits reply_limits;
};

// What EHLO offered (RFC 5321 4.1.1.1); all absent after HELO.
struct ServerExtensions {
  bool pipelining = false;
  bool eight_bit_mime = false;
  bool enhanced_status_codes = false;
  bool starttls = false;
  bool dsn = false;
  bool smtputf8 = false;
  bool chunking = false;
  bool size = false;
  uint64_t max_size = 0;  // octets; 0: no limit told
};

struct ClientTransaction {
  std::string reverse_path;                // without brackets; empty: <>
  std::vector<std::string> forward_paths;  // at least one; RFC 5321 4.5.3.1.8: send at most 100
  uint64_t size = 0;                       // octets of the content, for SIZE; 0: unknown
  BodyType body = BodyType::kUnspecified;
};

enum class RecipientVerdict {
  kDelivered,        // 2yz to the final dot
  kDeferred,         // 4yz, 421, or the connection ended before the final dot was sent: try again
  kRejected,         // 5yz to MAIL, RCPT, DATA or the final dot
  kNextTransaction,  // 452 or 552 to RCPT after others were accepted: too many; send at once again
  kUnknown,          // the final dot was sent and no reply came: may be delivered
  kNeeds8BitMime,    // BODY=8BITMIME, and the server doesn't offer it: nothing was sent
};
std::string_view ToString(RecipientVerdict verdict);

struct RecipientResult {
  RecipientVerdict verdict = RecipientVerdict::kDeferred;
  ClientStage stage = ClientStage::kMail;  // where it was decided
  std::optional<Reply> reply;              // that decided it; none if the connection did
};

struct TransactionResult {
  std::vector<RecipientResult> recipients;  // in the order of forward_paths
  bool connection_usable = false;           // another transaction can follow
};

// Why a session ended otherwise than by our QUIT. A 421 anywhere, a greeting or
// hello refused (also with 5yz: that is the route's trouble, not the message's),
// broken replies, or the caller's ConnectionLost().
struct ClientFailure {
  ClientStage stage = ClientStage::kGreeting;
  std::optional<Reply> reply;
  std::string text;  // in plain words, printable
};

class ClientSession {
 public:
  explicit ClientSession(ClientOptions options);

  // REQUIRES: kGreeting. For a name that is known only when the connection is open.
  void SetHeloName(std::string name);

  ClientPhase phase() const { return phase_; }
  // The oldest command that is not answered, or the step whose turn it is.
  ClientStage stage() const;
  const Reply& greeting() const { return greeting_; }
  const ServerExtensions& extensions() const { return extensions_; }  // valid from kReady on
  const std::optional<ClientFailure>& failure() const { return failure_; }

  // Octets to be written now, in order.
  bool HasOutput() const { return !output_.empty(); }
  std::string TakeOutput();

  // What was read. Any phase; ignored in kEnded.
  void Receive(std::string_view octets);
  // End of file, error, timeout or the caller's own decision.
  void ConnectionLost(std::string_view why);

  // REQUIRES: kReady. Goes to kEnvelope, or stays at kReady with a result
  // (kNeeds8BitMime). Paths that could end a line are refused as kRejected
  // with a reply of ours; they cannot come from our own receiver.
  void StartTransaction(ClientTransaction transaction);

  // REQUIRES: kContent. Any cut; the octets are dot-stuffed into the output.
  // InvalidArgument: content with a bare CR, LF or NUL, which must never be
  // sent (RFC 5321 2.3.8); the session is kEnded and the recipients kDeferred.
  absl::Status AddContent(std::string_view octets);
  // REQUIRES: kContent. Completes the last line if it needs it and ends the
  // content. After this the message may be delivered whatever happens.
  // InvalidArgument as above (the content ended in a bare CR).
  absl::Status SendFinalDot();
  bool final_dot_sent() const { return final_dot_sent_; }  // of the present or last transaction

  // REQUIRES: kReady. RSET, also useful to learn whether a kept connection
  // still lives. The session itself resets between transactions where needed.
  void Reset();
  // REQUIRES: kReady. QUIT; kEnded when it is answered.
  void Quit();

  // The result of a finished or cut transaction, once.
  std::optional<TransactionResult> TakeResult();

 private:
  enum class Verb { kEhlo, kHelo, kMail, kRcpt, kData, kReset, kQuit };
  struct Pending {
    Verb verb;
    size_t recipient = 0;
    size_t octets = 0;
  };

  void Send(Verb verb, std::string_view line, size_t recipient = 0);
  void PumpEnvelope();
  bool SendNextOfEnvelope();
  bool WindowHasRoom(size_t octets) const;
  std::string MailLine() const;

  void OnReply(Reply reply);
  void OnGreeting(Reply reply);
  void OnHello(Verb verb, Reply reply);
  void OnMail(Reply reply);
  void OnRcpt(size_t recipient, Reply reply);
  void Decide(size_t recipient, RecipientVerdict verdict, ClientStage stage,
              std::optional<Reply> reply);
  void OnData(Reply reply);
  void OnFinalDot(Reply reply);
  void OnReset(Reply reply);

  void ParseExtensions(const Reply& reply);
  void DecideUndecided(RecipientVerdict verdict, ClientStage stage,
                       const std::optional<Reply>& reply);
  void FinishTransaction();
  void Fail(ClientStage stage, std::optional<Reply> reply, std::string_view text);

  ClientOptions options_;
  ClientPhase phase_ = ClientPhase::kGreeting;
  ReplyParser parser_;
  DotEncoder encoder_;
  Reply greeting_;
  ServerExtensions extensions_;
  std::optional<ClientFailure> failure_;
  std::string output_;

  std::deque<Pending> pending_;  // sent, not answered
  size_t pending_octets_ = 0;

  bool in_transaction_ = false;
  ClientTransaction transaction_;
  std::vector<std::optional<RecipientResult>> decided_;
  size_t next_recipient_ = 0;  // the next RCPT to send
  size_t accepted_ = 0;        // RCPTs answered 2yz
  bool mail_sent_ = false;
  bool data_sent_ = false;
  bool needs_reset_ = false;  // the server may hold an open transaction
  bool final_dot_sent_ = false;
  bool empty_dot_ = false;  // the dot that ends a DATA nobody is to receive
  std::optional<TransactionResult> result_;
};

}  // namespace fermo::smtp
