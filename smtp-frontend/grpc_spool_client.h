// SpoolClient over gRPC: finds out which nodes are ready, and streams each
// message to one of them with Spool.Enqueue.
//
// Every member of the snapshot is pinged once a second. A message goes to a
// ready, connected node: one request when it is one chunk, a stream otherwise.
// Another node is tried only while the first chunk has not been taken by the
// transport, and never after the last one was sent.
//
// Ownership and threading: made, updated and stopped on `executor`; Begin,
// Ready and the uploads may be used from any executor. Uploads may outlive the
// client. Calls under way keep the executors busy until gRPC lets go of them.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "lib/base/time.h"
#include "lib/cluster/snapshot.h"
#include "smtp-frontend/spool_client.h"

namespace fermo::frontend {

struct GrpcSpoolClientOptions {
  std::string region;
  bool insecure = false;
  Duration ping_interval = std::chrono::seconds(1);
  Duration ping_deadline = std::chrono::seconds(1);
  // From the last chunk to the node's verdict. Longer than the node's own
  // append budget, so that the node normally speaks first.
  Duration verdict_deadline = std::chrono::seconds(30);
  // After a verdict that was not heard: how long the node is asked for it.
  // Enough for a connection that broke; the sender of a message whose node died
  // gets its 451 and goes on.
  Duration resolve_limit = std::chrono::seconds(1);
  // For one chunk to be taken by the transport.
  Duration write_deadline = std::chrono::seconds(30);
};

class GrpcSpoolClient : public SpoolClient {
 public:
  // `log` gets a sentence when a node becomes ready or ceases to be; may be null.
  using Log = std::function<void(const std::string&)>;
  GrpcSpoolClient(boost::asio::any_io_executor executor, GrpcSpoolClientOptions options,
                  Log log = nullptr);
  ~GrpcSpoolClient() override;  // as Stop

  // The members to use from now on. Members whose address cannot be dialled
  // are left out and logged.
  void Update(const cluster::Snapshot& snapshot);

  // Ends the pings; Begin is refused from now on. Uploads under way go on.
  void Stop();

  boost::asio::awaitable<absl::StatusOr<std::unique_ptr<SpoolUpload>>> Begin(
      spool::Envelope envelope, std::string session_id) override;
  bool Ready() const override;

  struct NodeCounts {
    size_t members = 0;
    size_t ready = 0;
  };
  NodeCounts CountNodes() const;

 private:
  std::shared_ptr<class SpoolNodes> nodes_;
};

}  // namespace fermo::frontend
