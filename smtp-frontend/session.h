// One SMTP connection: its socket, the protocol machine and the upload of the
// message that is arriving.
//
// Owned by the coroutine that runs it; everything happens on the frontend's one
// thread. Memory: one read buffer, one command line, one envelope, one chunk.
// Failure: ends this session only. Whenever it ends before a commit, the upload
// is abandoned with it, so that no node keeps half a message.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/log.h"
#include "lib/base/time.h"
#include "lib/net/asio.h"
#include "lib/net/stream.h"
#include "lib/smtp/server_session.h"
#include "smtp-frontend/frontend_metrics.h"
#include "smtp-frontend/recipient_policy.h"
#include "smtp-frontend/spool_client.h"

namespace fermo::frontend {

struct SessionSettings {
  std::string hostname;
  uint64_t max_message_size = 0;  // octets
  size_t max_recipients = 0;
  std::string postmaster_domain;
  Duration command_timeout{};  // RFC 5321 4.5.3.2.7: at least 5 min
  Duration data_timeout{};     // for each block of content, and for our own writes
};

// What all sessions share; outlives them.
struct SessionContext {
  SessionSettings settings;
  SpoolClient* spool = nullptr;
  const RecipientPolicy* policy = nullptr;
  FrontendMetrics* metrics = nullptr;
  Logger log = Logger::Null();
};

class Session final : public smtp::ServerHost {
 public:
  // `id`: letters and digits, unique.
  Session(net::Tcp::socket socket, std::string id, const SessionContext* context);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // From the greeting to the end of the connection.
  static net::Awaitable<void> Run(std::shared_ptr<Session> self);

  // Ends the session with 421 4.3.2: at once when it is idle, behind the reply
  // when a message is on its way.
  void Drain();
  // Ends it now, whatever it does.
  void Cancel();
  net::asio::cancellation_slot cancellation_slot() { return cancel_.slot(); }
  net::Executor executor() { return stream_.executor(); }

  std::optional<smtp::Reply> RefuseRecipient(const smtp::Path& forward_path) override;
  void Replied(smtp::Verb verb, const smtp::Reply& reply) override;

 private:
  net::Awaitable<void> Serve();
  net::Awaitable<bool> Flush();
  net::Awaitable<bool> Read();
  net::Awaitable<void> Open();
  net::Awaitable<void> Store();
  net::Awaitable<void> Commit();
  net::Awaitable<void> Linger();
  bool MustTellDrain() const;
  void LogCommit(const absl::StatusOr<std::string>& message_id, size_t recipients, Duration took);

  const SessionContext* context_;
  const std::string id_;
  net::Stream stream_;
  std::string peer_;  // address alone
  smtp::ServerSession protocol_;
  std::unique_ptr<char[]> buffer_;
  std::string_view input_;  // what is left of the buffer
  std::string writing_;
  std::unique_ptr<SpoolUpload> upload_;
  net::asio::cancellation_signal cancel_;
  bool waiting_ = false;  // for the client
  bool draining_ = false;
  bool drain_told_ = false;
  size_t refusals_ = 0;
  SessionResult result_ = SessionResult::kDropped;
};

}  // namespace fermo::frontend
