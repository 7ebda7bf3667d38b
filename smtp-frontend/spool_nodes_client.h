// The nodes a frontend knows: their channels, and which of them are ready, by
// a ping a second. Internal to grpc_spool_client.
//
// Thread-safe but for Update and Stop, which belong to the executor. The ping
// loops hold on to this object until they end, at most a ping's deadline after
// Stop.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fermoposta/v1/spool.grpc.pb.h"
#include "lib/base/random.h"
#include "smtp-frontend/enqueue_client.h"
#include "smtp-frontend/grpc_spool_client.h"
#include "smtp-frontend/node_picker.h"

namespace fermo::frontend {

namespace v1 = ::fermoposta::v1;

// One node's connections: messages on one, pings on the other, where no mail
// can hold up a ping and its deadline.
struct NodeLink {
  cluster::Member member;
  std::shared_ptr<grpc::Channel> channel;
  std::shared_ptr<EnqueueStubs> stubs;
  std::shared_ptr<v1::Spool::Stub> ping_stub;

  // The ping loop's, on the executor.
  explicit NodeLink(boost::asio::any_io_executor executor) : timer(std::move(executor)) {}
  bool stopped = false;
  boost::asio::steady_timer timer;
};

class SpoolNodes : public std::enable_shared_from_this<SpoolNodes> {
 public:
  using Log = GrpcSpoolClient::Log;
  SpoolNodes(boost::asio::any_io_executor executor, GrpcSpoolClientOptions options, Log log);

  void Update(const cluster::Snapshot& snapshot);
  void Stop();

  bool Ready() const;
  GrpcSpoolClient::NodeCounts Count() const;
  // Unavailable, with the reason.
  absl::Status NoneReady() const;
  std::string cluster_uuid() const;
  uint64_t NewToken();
  const GrpcSpoolClientOptions& options() const { return options_; }

  // A ready and connected node that is not among `tried`, in one of `regions`
  // (empty: any); null if there is none.
  std::shared_ptr<NodeLink> Pick(const std::vector<NodeId>& tried,
                                 const std::vector<std::string>& regions);
  // The only regions that may hold a message for these forward-paths.
  std::vector<std::string> RegionsFor(const std::vector<std::string>& forward_paths) const;
  // A ping or a call failed, or a ping said so: not ready until a ping says otherwise.
  // A node without a connection for messages is not ready, whatever it says.
  void SetReady(const NodeLink& link, bool ready, const std::string& reason);

 private:
  std::shared_ptr<NodeLink> MakeLink(const cluster::Member& member);
  // What a ping's answer means; how long until the next one.
  Duration Heard(const NodeLink& link, const absl::StatusOr<v1::PingResponse>& answer);
  void StopLink(const std::shared_ptr<NodeLink>& link);
  static boost::asio::awaitable<void> PingLoop(std::shared_ptr<SpoolNodes> nodes,
                                               std::shared_ptr<NodeLink> link);

  const boost::asio::any_io_executor executor_;
  const GrpcSpoolClientOptions options_;
  const Log log_;

  mutable std::mutex mutex_;  // guards all below
  bool stopped_ = false;
  std::string cluster_uuid_;
  NodePicker picker_;
  cluster::Snapshot residents_;  // the domains alone that may not be held everywhere
  std::map<NodeId, std::shared_ptr<NodeLink>> links_;
  Rng rng_;
};

}  // namespace fermo::frontend
