// The connections among nodes: our two streams to each peer, the peers' two
// streams to us, and the gRPC service that takes the latter.
//
// Ownership: by the node; the executor and the callbacks' targets outlive it.
// Threading: the core executor; gRPC's threads only hand over. Failure: peers
// that can't be reached are tried for ever; refusals are logged once per state.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "lib/base/log.h"
#include "lib/cluster/replica_types.h"
#include "lib/cluster/snapshot.h"
#include "lib/net/asio.h"
#include "node/replication/transport.h"

namespace grpc {
class Service;
}

namespace fermo::node {

struct MeshOptions {
  NodeId self;
  uint32_t boot = 0;
  bool insecure = false;
  // A peer knows nodes to be evicted, perhaps this one, that the snapshot does not name.
  // Not called within another call.
  std::function<void(const std::vector<NodeId>&)> on_evicted;
};

class MeshService : public Transport {
 public:
  // Events: PeerUp, PeerDown, ControlReceived, DataReceived, IncomingEnded.
  using OnEvent = std::function<void(cluster::Event)>;

  MeshService(net::Executor executor, MeshOptions options, Logger log, OnEvent on_event);
  ~MeshService() override;

  grpc::Service* service();
  static std::string Name();

  // Connects to new members, lets go of those that left.
  void ApplySnapshot(const cluster::Snapshot& snapshot);
  // Ends the peers' data streams to us; they come back and compare inventories.
  void ResetIncoming();
  // Ends all streams; nothing is sent or received after.
  void Close();

  void Send(cluster::SendControl action) override;
  void Send(cluster::SendData action) override;
  size_t QueuedBytes(NodeId peer) const override;
  size_t MaxQueuedBytes() const override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fermo::node
