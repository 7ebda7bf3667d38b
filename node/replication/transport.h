// Who carries the replication machine's messages to peers.
//
// Threading: the node's core executor. Failure: a message to a peer that is
// not connected, or falls too far behind, is dropped; the machine hears
// PeerDown and compares inventories when the peer is back.
#pragma once

#include <cstddef>
#include <functional>

#include "lib/cluster/replica_types.h"

namespace fermo::node {

// What one frame may hold: an inventory is one message, however large.
inline constexpr int kMeshReceiveBytes = 16 << 20;

class Transport {
 public:
  virtual ~Transport() = default;
  virtual void Send(cluster::SendControl action) = 0;
  virtual void Send(cluster::SendData action) = 0;
  // Octets of data that wait for the peer; 0 when it is not connected.
  virtual size_t QueuedBytes(NodeId peer) const = 0;
  virtual size_t MaxQueuedBytes() const = 0;  // over all peers
};

}  // namespace fermo::node
