#include "tests/unit/smtp/server_driver.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fermo::smtp {

ServerOptions ServerDriver::DefaultOptions() {
  ServerOptions options;
  options.hostname = "mx.backup.example";
  options.session_id = "s1";
  options.client_address = "192.0.2.7";
  options.max_message_size = 1000000;
  return options;
}

ServerDriver::ServerDriver(ServerOptions options) : session_(std::move(options), this) {
  session_.Start();
  Flush();
}

void ServerDriver::Send(std::string_view octets) { Run(octets); }

void ServerDriver::SendInPieces(std::string_view octets, size_t size) {
  for (size_t i = 0; i < octets.size(); i += size) Run(octets.substr(i, size));
}

void ServerDriver::Timeout() {
  session_.OnTimeout();
  Run({});
}

void ServerDriver::Drain() {
  session_.OnDrain();
  Run({});
}

std::string ServerDriver::TakeReplies() { return std::exchange(output_, std::string()); }

std::optional<Reply> ServerDriver::RefuseRecipient(const Path& forward_path) {
  if (domains.contains(forward_path.domain)) return std::nullopt;
  return MakeReply(550, {5, 7, 1}, "Relaying denied");
}

void ServerDriver::Replied(Verb verb, const Reply& reply) {
  ++replies_;
  const bool bare =
      verb == Verb::kConnect || verb == Verb::kEhlo || verb == Verb::kHelo || reply.code == 354;
  if (!bare && (!reply.enhanced || reply.enhanced->klass != reply.code / 100)) {
    violation_ = "a reply without its enhanced code: " + OneLine(reply);
  }
}

void ServerDriver::Run(std::string_view input) {
  while (!closed_) {
    switch (session_.Advance(input)) {
      case ServerAction::kRead:
        if (!input.empty()) violation_ = "input left behind";
        Flush();
        return;
      case ServerAction::kOpen:
        Open();
        break;
      case ServerAction::kWrite:
        Write();
        break;
      case ServerAction::kCommit:
        Commit();
        break;
      case ServerAction::kAbandon:
        if (!upload_) violation_ = "abandoned without an upload";
        upload_.reset();
        ++abandoned_;
        break;
      case ServerAction::kClose:
        Flush();
        closed_ = true;
        upload_.reset();
        return;
    }
  }
}

void ServerDriver::Flush() {
  std::string text = session_.TakeOutput();
  if (!text.empty() && !text.ends_with("\r\n")) violation_ = "a reply without CRLF";
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find("\r\n", begin), text.size());
    if (end - begin > 510) violation_ = "a reply line over 512 octets";
    begin = end + 2;
  }
  output_ += text;
}

void ServerDriver::Open() {
  if (upload_) violation_ = "two uploads at once";
  if (open_status.ok()) upload_ = StoredMessage{session_.envelope(), ""};
  session_.OnOpened(open_status, WallTime(std::chrono::milliseconds(1764000000000)));
}

void ServerDriver::Write() {
  if (!upload_) violation_ = "content without an upload";
  const std::string piece = session_.TakeContent();
  largest_piece_ = std::max(largest_piece_, piece.size());
  if (upload_) upload_->content += piece;
  if (!write_status.ok()) upload_.reset();
  session_.OnWritten(write_status);
}

void ServerDriver::Commit() {
  if (!upload_) violation_ = "commit without an upload";
  const std::string piece = session_.TakeContent();
  largest_piece_ = std::max(largest_piece_, piece.size());
  Flush();
  if (commit_status.ok() && upload_) {
    upload_->content += piece;
    stored_.push_back(*std::move(upload_));
    upload_.reset();
    session_.OnCommitted(absl::StrCat("id-", stored_.size()));
  } else {
    upload_.reset();
    session_.OnCommitted(commit_status);
  }
}

}  // namespace fermo::smtp
