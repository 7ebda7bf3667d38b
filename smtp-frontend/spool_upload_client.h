// One message's way to a node: SpoolUpload over Spool.Enqueue. Internal to
// grpc_spool_client.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <vector>

#include "lib/net/deadline.h"
#include "lib/rpc/convert.h"
#include "smtp-frontend/enqueue_client.h"
#include "smtp-frontend/spool_client.h"
#include "smtp-frontend/spool_nodes_client.h"

namespace fermo::frontend {

class GrpcSpoolUpload final : public SpoolUpload {
 public:
  GrpcSpoolUpload(std::shared_ptr<SpoolNodes> nodes, rpc::EnqueueStart start);
  ~GrpcSpoolUpload() override;

  boost::asio::awaitable<absl::Status> Write(std::string chunk) override;
  boost::asio::awaitable<absl::StatusOr<std::string>> Commit(std::string last_chunk) override;

 private:
  // The first request: `open`, and the chunk.
  v1::EnqueueRequest FirstRequest(std::string chunk);
  boost::asio::awaitable<absl::Status> WriteFirst(std::string chunk);
  boost::asio::awaitable<absl::Status> AwaitWritten();
  absl::Status StartOnly(std::string chunk);
  boost::asio::awaitable<void> MakeDeadline();
  boost::asio::awaitable<absl::StatusOr<std::string>> Resolve(absl::Status unknown);
  // Tells the nodes about a failed call, and gives the caller's status.
  absl::Status Failed(absl::Status status);

  const std::shared_ptr<SpoolNodes> nodes_;
  rpc::EnqueueStart start_;
  const uint64_t token_;
  const std::vector<std::string> regions_;
  std::shared_ptr<NodeLink> link_;
  std::shared_ptr<EnqueueCall> call_;
  std::unique_ptr<net::Deadline> deadline_;  // of uploads of several chunks
  bool committing_ = false;                  // the last chunk was or is being sent
  bool failed_ = false;                      // or committed: nothing more may be asked of it
};

}  // namespace fermo::frontend
