// The network between nodes: per pair two streams in each direction, control
// and data, as node/replication keeps them.
//
// A stream delivers in order or breaks; what it held is then lost. A cut path
// holds frames back; keepalive breaks its streams after a while, a heal before
// that lets them through. While the network is lossy, control frames are also
// dropped, doubled and reordered, which the machine must bear.
#pragma once

#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "lib/base/random.h"
#include "lib/cluster/replica_types.h"
#include "tests/sim/scheduler.h"

namespace fermo::sim {

// A machine that lost its disk comes back with another identity.
inline constexpr uint64_t kIdentities = 100;
inline int IndexOf(NodeId id) { return static_cast<int>((id.value() - 1) % kIdentities); }

// What the network knows of a process.
class Endpoint {
 public:
  virtual ~Endpoint() = default;
  virtual bool Running() const = 0;    // there is a process
  virtual bool Answering() const = 0;  // and it is not stopped
  virtual uint32_t boot() const = 0;
  virtual NodeId id() const = 0;
  virtual bool Knows(NodeId node) const = 0;  // as a member of its cluster
  virtual bool KnowsEvicted(NodeId node) const = 0;
  virtual const std::vector<NodeId>& evicted() const = 0;  // all that it knows to be
  virtual void HearOfEvictions(const std::vector<NodeId>& nodes) = 0;
  virtual void Receive(cluster::Event event) = 0;
};

class SimNetwork {
 public:
  SimNetwork(Scheduler& scheduler, Rng& random, Duration latency)
      : scheduler_(scheduler), random_(random), latency_(latency) {}

  void Add(Endpoint* endpoint) { endpoints_.push_back(endpoint); }
  void Started(int node);                     // its process runs: streams come up
  void Died(int node, bool machine_is_gone);  // peers see resets, or nothing
  void Stalled(int node);                     // answers nothing for a while
  void Send(int from, NodeId to, cluster::Channel channel, bool answer, cluster::Event event);
  void Cut(int from, int to, bool cut);
  void SetLossy(double share) { lossy_ = share; }
  Duration longest_way() const { return latency_ * 2; }  // that a frame in order is under way

 private:
  struct Stream {
    bool up = false;
    uint64_t session = 0;
    Instant last[2];  // arrivals of requests and of answers, so that order is kept
  };
  struct Path {
    bool cut = false;
    uint64_t change = 0;
    std::vector<Scheduler::Task> held;
  };
  using StreamKey = std::tuple<int, int, cluster::Channel>;  // client, server

  void Connect(StreamKey key);
  static bool Greet(Endpoint& client, Endpoint& server);
  void Break(StreamKey key);
  void BreakAllOf(int node);
  void BreakBetween(int a, int b);
  void Arrive(StreamKey key, uint64_t session, int from, int to, const cluster::Event& event);
  void Carry(StreamKey key, int from, int to, bool answer, cluster::Event event, bool in_order);
  bool IsCut(int from, int to) const;

  Scheduler& scheduler_;
  Rng& random_;
  const Duration latency_;
  double lossy_ = 0;
  uint64_t next_session_ = 1;
  std::vector<Endpoint*> endpoints_;
  std::map<StreamKey, Stream> streams_;
  std::map<std::pair<int, int>, Path> paths_;
};

}  // namespace fermo::sim
