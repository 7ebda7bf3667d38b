// Runs a ServerSession the way the frontend does, with a store in memory: for
// unit tests, dialogues and fuzzing. Checks on the way what must hold for any
// input: bounded pieces, replies of the right form, one upload at a time.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lib/smtp/server_session.h"

namespace fermo::smtp {

struct StoredMessage {
  ServerEnvelope envelope;
  std::string content;  // with the Received field
};

class ServerDriver : public ServerHost {
 public:
  explicit ServerDriver(ServerOptions options = DefaultOptions());

  static ServerOptions DefaultOptions();

  // What the client sends, in one read.
  void Send(std::string_view octets);
  // The same, `size` octets a read.
  void SendInPieces(std::string_view octets, size_t size);
  void Timeout();
  void Drain();
  // What the server wrote since the last call.
  std::string TakeReplies();

  bool closed() const { return closed_; }
  const std::vector<StoredMessage>& stored() const { return stored_; }
  size_t abandoned() const { return abandoned_; }
  size_t replies() const { return replies_; }
  size_t largest_piece() const { return largest_piece_; }
  const std::string& violation() const { return violation_; }  // empty: none

  std::set<std::string> domains = {"example.test"};
  absl::Status open_status;
  absl::Status write_status;
  absl::Status commit_status;

  std::optional<Reply> RefuseRecipient(const Path& forward_path) override;
  void Replied(Verb verb, const Reply& reply) override;

 private:
  void Run(std::string_view input);
  void Flush();
  void Open();
  void Write();
  void Commit();

  ServerSession session_;
  std::string output_;
  std::vector<StoredMessage> stored_;
  std::optional<StoredMessage> upload_;
  size_t abandoned_ = 0;
  size_t replies_ = 0;
  size_t largest_piece_ = 0;
  bool closed_ = false;
  std::string violation_;
};

}  // namespace fermo::smtp
