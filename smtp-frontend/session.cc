#include "smtp-frontend/session.h"

#include <utility>

#include "lib/spool/limits.h"

namespace fermo::frontend {
namespace {

constexpr size_t kReadBuffer = size_t{64} * 1024;

// How long the rest of what a client still sends is read and dropped after our
// last reply, so that a reset doesn't overtake the reply.
constexpr Duration kLinger = std::chrono::seconds(1);
constexpr int kLingerReads = 16;

// A client that tries a thousand recipients doesn't fill the log.
constexpr size_t kLoggedRefusals = 50;

// Received takes an address without the zone of a link-local one.
std::string PlainAddress(const std::string& host) { return host.substr(0, host.find('%')); }

smtp::ServerOptions ProtocolOptions(const SessionSettings& settings, const std::string& id,
                                    const std::string& peer) {
  smtp::ServerOptions options;
  options.hostname = settings.hostname;
  options.session_id = id;
  options.client_address = peer;
  options.max_message_size = settings.max_message_size;
  options.max_recipients = settings.max_recipients;
  options.default_domain = settings.postmaster_domain;
  options.max_path_octets = spool::kMaxPathOctets;
  return options;
}

spool::BodyType ToSpool(smtp::BodyType body) {
  switch (body) {
    case smtp::BodyType::k7Bit:
      return spool::BodyType::k7Bit;
    case smtp::BodyType::k8BitMime:
      return spool::BodyType::k8BitMime;
    case smtp::BodyType::kUnspecified:
      break;
  }
  return spool::BodyType::kUnspecified;
}

spool::Envelope ToSpool(const smtp::ServerEnvelope& envelope, const std::string& peer) {
  spool::Envelope result;
  result.reverse_path = envelope.reverse_path;
  result.forward_paths = envelope.forward_paths;
  result.body = ToSpool(envelope.body);
  result.helo = envelope.helo;
  result.client_address = peer;
  return result;
}

// What a reply that closes the connection says about the session.
SessionResult ResultOf(const smtp::Reply& reply) {
  if (reply.code != 421 || !reply.enhanced) return SessionResult::kQuit;
  if (*reply.enhanced == smtp::EnhancedCode{4, 4, 2}) return SessionResult::kTimeout;
  if (*reply.enhanced == smtp::EnhancedCode{4, 3, 2}) return SessionResult::kDrained;
  return SessionResult::kErrors;
}

}  // namespace

Session::Session(net::Tcp::socket socket, std::string id, const SessionContext* context)
    : context_(context),
      id_(std::move(id)),
      stream_(std::move(socket)),
      peer_(PlainAddress(stream_.peer().host)),
      protocol_(ProtocolOptions(context_->settings, id_, peer_), this),
      buffer_(std::make_unique_for_overwrite<char[]>(kReadBuffer)) {
  context_->metrics->SessionOpened();
}

Session::~Session() {
  context_->metrics->SessionClosed(result_);
  context_->log.Debug(
      "session_ended",
      {{log::kSessionId, id_}, {log::kPeer, peer_}, {log::kReason, ToString(result_)}});
}

net::Awaitable<void> Session::Run(std::shared_ptr<Session> self) {
  self->context_->log.Debug("session_began",
                            {{log::kSessionId, self->id_}, {log::kPeer, self->peer_}});
  self->protocol_.Start();
  co_await self->Serve();
}

// What the protocol machine asks for, step by step. Replies are written before
// anything that waits, so that a batch of pipelined commands takes one write.
net::Awaitable<void> Session::Serve() {
  while (true) {
    if (MustTellDrain()) {
      drain_told_ = true;
      protocol_.OnDrain();
    }
    const smtp::ServerAction action = protocol_.Advance(input_);
    const bool waits =
        action != smtp::ServerAction::kOpen && action != smtp::ServerAction::kAbandon;
    if (waits && protocol_.HasOutput()) {
      const bool written = co_await Flush();
      if (!written) co_return;
    }
    switch (action) {
      case smtp::ServerAction::kRead: {
        const bool more = co_await Read();
        if (!more) co_return;
        break;
      }
      case smtp::ServerAction::kOpen:
        co_await Open();
        break;
      case smtp::ServerAction::kWrite:
        co_await Store();
        break;
      case smtp::ServerAction::kCommit:
        co_await Commit();
        break;
      case smtp::ServerAction::kAbandon:
        upload_.reset();
        break;
      case smtp::ServerAction::kClose:
        upload_.reset();
        co_await Linger();
        co_return;
    }
  }
}

net::Awaitable<bool> Session::Flush() {
  writing_ = protocol_.TakeOutput(std::move(writing_));
  const absl::Status written =
      co_await stream_.WriteAll(std::string_view(writing_), context_->settings.data_timeout);
  co_return written.ok();
}

bool Session::MustTellDrain() const { return draining_ && !drain_told_; }

// False: the connection has ended.
net::Awaitable<bool> Session::Read() {
  // A drain that came while replies were being written has found nobody waiting.
  if (MustTellDrain()) co_return true;
  const bool content = protocol_.in_content();
  const Duration timeout =
      content ? context_->settings.data_timeout : context_->settings.command_timeout;
  waiting_ = true;
  const absl::StatusOr<size_t> octets =
      co_await stream_.ReadSome(net::asio::buffer(buffer_.get(), kReadBuffer), timeout);
  waiting_ = false;
  if (octets.ok()) {
    input_ = std::string_view(buffer_.get(), *octets);
    co_return *octets > 0;
  }
  if (absl::IsDeadlineExceeded(octets.status())) {
    protocol_.OnTimeout();
    co_return true;
  }
  co_return absl::IsCancelled(octets.status()) && draining_;
}

net::Awaitable<void> Session::Open() {
  spool::Envelope envelope = ToSpool(protocol_.envelope(), peer_);
  auto upload = co_await context_->spool->Begin(std::move(envelope), id_);
  const absl::Status opened = upload.status();
  if (opened.ok()) {
    upload_ = *std::move(upload);
  } else {
    context_->log.Warning("upload_refused", {{log::kSessionId, id_}, {log::kError, opened}});
  }
  protocol_.OnOpened(opened, WallNow());
}

net::Awaitable<void> Session::Store() {
  std::string chunk = protocol_.TakeContent();
  const absl::Status stored = co_await upload_->Write(std::move(chunk));
  if (!stored.ok()) {
    upload_.reset();
    context_->log.Warning("upload_failed", {{log::kSessionId, id_}, {log::kError, stored}});
  }
  protocol_.OnWritten(stored);
}

net::Awaitable<void> Session::Commit() {
  const Instant begun = BootClock::now();
  const size_t recipients = protocol_.envelope().forward_paths.size();
  std::string chunk = protocol_.TakeContent();
  const absl::StatusOr<std::string> message_id = co_await upload_->Commit(std::move(chunk));
  upload_.reset();
  const Duration took = BootClock::now() - begun;
  LogCommit(message_id, recipients, took);
  protocol_.OnCommitted(message_id);
}

void Session::LogCommit(const absl::StatusOr<std::string>& message_id, size_t recipients,
                        Duration took) {
  if (!message_id.ok()) {
    context_->metrics->Deferred(took);
    context_->log.Warning("message_deferred", {{log::kSessionId, id_},
                                               {log::kPeer, peer_},
                                               {log::kSeconds, took},
                                               {log::kError, message_id.status()}});
    return;
  }
  context_->metrics->Accepted(protocol_.content_octets(), took);
  context_->log.Info("message_accepted", {{log::kMessageId, *message_id},
                                          {log::kSessionId, id_},
                                          {log::kPeer, peer_},
                                          {log::kCount, recipients},
                                          {log::kBytes, protocol_.content_octets()},
                                          {log::kSeconds, took}});
}

net::Awaitable<void> Session::Linger() {
  stream_.ShutdownSend();
  if (result_ == SessionResult::kQuit) co_return;
  for (int i = 0; i < kLingerReads; ++i) {
    const absl::StatusOr<size_t> octets =
        co_await stream_.ReadSome(net::asio::buffer(buffer_.get(), kReadBuffer), kLinger);
    if (!octets.ok() || *octets == 0) co_return;
  }
}

// A sender in the middle of its content is let finish, and told behind the reply.
void Session::Drain() {
  draining_ = true;
  if (!waiting_) return;
  if (protocol_.in_content()) {
    drain_told_ = true;
    protocol_.OnDrain();
  } else {
    stream_.Cancel();
  }
}

void Session::Cancel() { cancel_.emit(net::asio::cancellation_type::terminal); }

std::optional<smtp::Reply> Session::RefuseRecipient(const smtp::Path& forward_path) {
  return context_->policy->Refuse(forward_path, protocol_.envelope().forward_paths);
}

void Session::Replied(smtp::Verb verb, const smtp::Reply& reply) {
  context_->metrics->Replied(verb, reply);
  if (reply.code == 221 || reply.code == 421) result_ = ResultOf(reply);
  if (reply.code < 400 || ++refusals_ > kLoggedRefusals) return;
  context_->log.Info("command_refused", {{log::kSessionId, id_},
                                         {log::kPeer, peer_},
                                         {log::kVerb, ToString(verb)},
                                         {log::kCode, reply.code},
                                         {log::kReply, smtp::OneLine(reply)}});
}

}  // namespace fermo::frontend
