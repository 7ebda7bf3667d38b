// What an SMTP session needs of the spool: to hand over one message and to
// hear whether it is durable.
//
// Threading: a SpoolClient may be used from any executor; a SpoolUpload by one
// coroutine at a time. Coroutines resume on their own executor. Failure: any
// status but OK means that the sender must not be told 250. Unavailable,
// ResourceExhausted (no room), FailedPrecondition: no node has taken the
// message. Unknown, from Commit only: the message may be safe or not.
// Cancelling the awaiting coroutine cancels the upload.
#pragma once

#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/spool/record.h"

namespace fermo::frontend {

// One message on its way to a node.
class SpoolUpload {
 public:
  // Abandons the message unless Commit was called: no node keeps it.
  virtual ~SpoolUpload() = default;

  // Sends a part of the content, at most 256 KiB; returns when there is room
  // for the next one. After an error only destruction is left.
  virtual boost::asio::awaitable<absl::Status> Write(std::string chunk) = 0;

  // Sends the last part (may be empty) and waits for the node's verdict: the
  // message id. After Unknown the message may yet be delivered; after no error
  // may it be tried with another node. Once.
  virtual boost::asio::awaitable<absl::StatusOr<std::string>> Commit(std::string last_chunk) = 0;
};

class SpoolClient {
 public:
  virtual ~SpoolClient() = default;

  // Begins a message; nothing is sent yet. Unavailable when no node is ready.
  // `session_id` names the session in the nodes' logs.
  virtual boost::asio::awaitable<absl::StatusOr<std::unique_ptr<SpoolUpload>>> Begin(
      spool::Envelope envelope, std::string session_id) = 0;

  // Some node can make a message durable now.
  virtual bool Ready() const = 0;
};

}  // namespace fermo::frontend
