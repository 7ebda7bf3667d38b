#include "node/delivery/attempt.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fermo::node {

Attempt::Attempt(DeliveryContext& context, std::string route_name, TakenMessage message,
                 SmtpConnection& connection, bool reused)
    : context_(context),
      route_name_(std::move(route_name)),
      message_(std::move(message)),
      connection_(connection),
      reused_(reused),
      decided_(context.executor) {}

net::Awaitable<AttemptReport> Attempt::Run(std::shared_ptr<Attempt> self) {
  self->context_.attempts[self->message_.id] = self;
  absl::StatusOr<ContentReader::Opened> opened =
      co_await self->context_.reader.Open(self->message_.id);
  if (!opened.ok()) {
    self->Damaged(absl::StrCat("our copy can't be read: ", opened.status().ToString()));
  } else {
    self->record_ = std::move(opened->record);
    self->first_chunk_ = std::move(opened->first_chunk);
    co_await Transact(self);
  }
  self->context_.attempts.erase(self->message_.id);
  co_return self->Conclude();
}

void Attempt::Abandon() {
  if (dot_sent_) return;
  abandoned_ = true;
  decided_.Set();
  connection_.Close("ownership was lost");
}

net::Awaitable<void> Attempt::Transact(std::shared_ptr<Attempt> self) {
  if (self->abandoned_) {
    self->NotPermitted("ownership was lost");
    co_return;
  }
  if (!self->StartTransaction()) co_return;
  self->Announce();
  SmtpConnection& connection = self->connection_;
  smtp::ClientSession& session = connection.session();
  co_await connection.Run();
  if (session.phase() == smtp::ClientPhase::kContent) co_await SendContent(self);
  if (session.phase() != smtp::ClientPhase::kContent) co_return;
  if (self->stop_ == Stop::kNone) co_await AwaitPermission(self);
  if (self->stop_ == Stop::kNone) {
    self->dot_sent_ = true;
    const absl::Status sent = session.SendFinalDot();
    if (sent.ok()) {
      co_await connection.Run();
    } else {
      self->Damaged(absl::StrCat("our copy can't be sent: ", sent.ToString()));
      connection.Close("content can't be sent");
    }
  } else {
    connection.Close(self->stop_reason_);
    session.ConnectionLost(self->stop_reason_);
  }
}

bool Attempt::StartTransaction() {
  smtp::ClientTransaction transaction;
  transaction.reverse_path = record_.envelope.reverse_path;
  transaction.size = record_.size;
  switch (record_.envelope.body) {
    case spool::BodyType::kUnspecified:
      transaction.body = smtp::BodyType::kUnspecified;
      break;
    case spool::BodyType::k7Bit:
      transaction.body = smtp::BodyType::k7Bit;
      break;
    case spool::BodyType::k8BitMime:
      transaction.body = smtp::BodyType::k8BitMime;
      break;
  }
  for (const uint32_t leg : message_.legs) {
    if (leg >= record_.envelope.forward_paths.size()) {
      Damaged("our copy has fewer recipients than it had");
      return false;
    }
    transaction.forward_paths.push_back(record_.envelope.forward_paths[leg]);
  }
  connection_.session().StartTransaction(std::move(transaction));
  return true;
}

void Attempt::Announce() {
  announced_ = true;
  context_.ownership.Announce(message_.id, message_.legs,
                              [self = shared_from_this()](AnnounceVerdict verdict) {
                                self->verdict_ = verdict;
                                self->decided_.Set();
                              });
}

net::Awaitable<void> Attempt::SendContent(std::shared_ptr<Attempt> self) {
  const spool::MessageRecord& record = self->record_;
  std::string chunk = std::move(self->first_chunk_);
  for (uint32_t index = 0; index < record.chunks; ++index) {
    if (index > 0) {
      absl::StatusOr<std::string> next =
          co_await self->context_.reader.ReadChunk(self->message_.id.segment, record.body, index);
      if (!next.ok()) {
        self->Damaged(absl::StrCat("our copy can't be read: ", next.status().ToString()));
        co_return;
      }
      chunk = *std::move(next);
    }
    if (!self->AddChunk(chunk)) co_return;
    // A small message whose announcement is acknowledged leaves with its dot.
    if (index + 1 == record.chunks && self->decided_.is_set()) break;
    co_await self->connection_.Flush();
    if (self->connection_.session().phase() != smtp::ClientPhase::kContent) co_return;
    if (self->abandoned_ || self->verdict_ == AnnounceVerdict::kStopped) {
      self->NotPermitted("stopped by a holder, or ownership was lost");
      co_return;
    }
  }
  self->CheckContent();
}

bool Attempt::AddChunk(const std::string& chunk) {
  digest_.Update(chunk);
  octets_ += chunk.size();
  const absl::Status added = connection_.session().AddContent(chunk);
  if (added.ok()) return true;
  Damaged(absl::StrCat("our copy can't be sent: ", added.ToString()));
  connection_.Close("content can't be sent");
  return false;
}

// The primary has all but the dot: damage found now still costs nothing.
void Attempt::CheckContent() {
  if (octets_ == record_.size && digest_.Finish() == record_.digest) return;
  Damaged("our copy has another digest than when it was accepted");
}

net::Awaitable<void> Attempt::AwaitPermission(std::shared_ptr<Attempt> self) {
  const Duration timeout = self->context_.options.announce_timeout;
  const bool decided = co_await self->decided_.WaitFor(timeout);
  if (self->abandoned_) {
    self->NotPermitted("ownership was lost");
  } else if (!decided) {
    self->NotPermitted("the holders did not acknowledge the announcement");
  } else if (self->verdict_ != AnnounceVerdict::kCleared) {
    self->NotPermitted("stopped by a holder");
  } else if (!self->context_.ownership.MayFinish(self->message_.id)) {
    self->NotPermitted("leases ran out");
  }
}

void Attempt::Damaged(std::string why) {
  stop_ = Stop::kDamaged;
  stop_reason_ = std::move(why);
  context_.metrics.CountDamaged();
  context_.log.Error("message_damaged",
                     {{log::kMessageId, message_.id}, {log::kReason, stop_reason_}});
}

void Attempt::NotPermitted(std::string why) {
  stop_ = Stop::kNotPermitted;
  stop_reason_ = std::move(why);
}

}  // namespace fermo::node
