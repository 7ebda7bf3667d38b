// What the spool measures of each peer (docs/operations.md lists the metrics).
//
// Ownership: by the spool core; metrics and transport outlive it. Threading: the
// core executor. No failure.
#pragma once

#include <map>
#include <set>

#include "lib/cluster/replica.h"
#include "lib/net/metrics.h"
#include "node/replication/ack_times.h"
#include "node/replication/transport.h"

namespace fermo::node {

class PeerMetrics {
 public:
  PeerMetrics(net::Metrics& metrics, const Transport& transport, NodeId self,
              const cluster::Snapshot& snapshot);

  void Sending(const cluster::SendData& action, Instant now);
  void Saw(const cluster::Event& event, Instant now);  // before the machine does
  void Refresh(const cluster::Replica& replica, Instant now);

 private:
  struct Gauges {
    net::Gauge* queued = nullptr;
    net::Gauge* lag = nullptr;
  };
  void SetMembers(const cluster::Snapshot& snapshot);
  void Acknowledged(NodeId peer, Duration taken);

  net::Metrics& metrics_;
  const Transport& transport_;
  const NodeId self_;
  uint64_t generation_ = 0;
  AckTimes ack_times_;
  std::map<NodeId, Gauges> gauges_;  // of the other members
  std::map<NodeId, net::Histogram*> acknowledged_;
};

}  // namespace fermo::node
