// A cluster of replication machines on a virtual clock: network, disks,
// primaries and the coordinator's words are data structures, so that a test
// decides what arrives, what is lost, who dies and who belongs to the cluster.
//
// One thread; nothing here waits. Links carry messages in order with a fixed
// delay. A disk keeps what was applied; a killed node loses writes that were
// queued and not yet done.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/cluster/replica.h"
#include "tests/support/virtual_disk.h"

namespace fermo::test {

class ReplicaCluster {
 public:
  // One message over the network; one write to a disk.
  static constexpr Duration kHop = std::chrono::milliseconds(1);
  static constexpr Duration kSync = std::chrono::milliseconds(1);

  // Nodes 0, 1, ... in these regions.
  explicit ReplicaCluster(std::vector<std::string> regions, cluster::ReplicaOptions options = {},
                          uint64_t seed = 1);

  NodeId Id(int node) const { return NodeId(node + 1); }
  Instant now() const { return now_; }
  cluster::Replica& replica(int node) { return *nodes_[node].replica; }
  const VirtualDisk& disk(int node) const { return nodes_[node].disk; }
  int size() const { return static_cast<int>(nodes_.size()); }
  bool IsUp(int node) const { return nodes_[node].replica != nullptr; }

  // --- Faults
  void Kill(int index);
  void Restart(int node);  // with its disk and a higher boot
  // Its machine restarts after a clean stop, without what was not synced.
  void RestartMachine(int node);
  // Its machine restarts after an unclean stop, with less than was on its disk.
  void RestartSuspect(int node, VirtualDisk disk);
  void SetLink(int a, int b, bool up);    // both directions
  void Isolate(int node, bool isolated);  // all its links
  void BlockWrites(int node, bool blocked) { nodes_[node].writes_blocked = blocked; }
  // True: this control message is lost on its way.
  std::function<bool(int from, const cluster::ControlMessage& message)> lose_control;

  // --- The coordinator. All who are up hear of a change at once, the node
  // itself included; who boots later starts with it.
  void Evict(int node);
  void EvictUntold(int node);  // all others hear of it
  void Drain(int node);
  // The answer to every node that asks to deliver alone.
  cluster::SurvivorVerdict::Kind survivor_verdict = cluster::SurvivorVerdict::Kind::kRefused;
  int survivor_asks() const { return survivor_asks_; }

  // --- Mail
  // Uploads one message of `legs` legs and `chunks` chunks to the node.
  cluster::UploadId Accept(int node, uint32_t legs = 1, uint32_t chunks = 1);
  std::vector<std::string> upload_regions;  // of further uploads
  // Uploads one and waits for its 250.
  MessageId AcceptOne(int node, uint32_t legs = 1, uint32_t chunks = 1);
  // Asks the node what became of the upload whose token, its own number, this
  // is. The question is an upload of its own.
  cluster::UploadId Resolve(int node, uint64_t token);
  // Nothing while the verdict is out.
  const absl::Status* Verdict(cluster::UploadId upload) const;
  MessageId IdOf(cluster::UploadId upload) const { return settled_.at(upload).message; }
  bool primary_up = false;
  // An attempt settles one leg only; the others are refused for now.
  bool one_leg_at_a_time = false;
  // Called when a final dot has gone out; false: the node hears no reply.
  std::function<bool(int node, const MessageId& id)> on_dot;

  // --- Time
  void Run(Duration span);
  // True as soon as `done`, false when `limit` has passed.
  bool RunUntil(const std::function<bool()>& done, Duration limit);
  void Feed(int index, cluster::Event event);  // an event out of turn

  // --- What was seen
  // Of its first leg.
  int Deliveries(const MessageId& id) const { return LegDeliveries(id, 0); }
  int LegDeliveries(const MessageId& id, uint32_t leg) const;
  // Over all legs of accepted messages: never delivered, and more than once.
  int Lost() const;
  int Extra() const;
  const std::map<std::pair<MessageId, uint32_t>, int>& deliveries() const { return delivered_; }
  std::vector<MessageId> Accepted() const;    // uploads answered 250
  int OwnersOf(const SegmentId& id) const;    // nodes that act as owner now
  int OwnerOf(const SegmentId& id) const;     // the first that may deliver now; -1: none
  bool Forgotten(const SegmentId& id) const;  // by every live node
  bool Drained() const;  // every live node has forgotten every segment that ended
  int NotesOf(const std::string& what) const;
  // Epochs seen in takeover notes: (segment, epoch) to nodes. More than one is a violation.
  const std::map<std::pair<SegmentId, Epoch>, std::set<int>>& owners() const { return owners_; }

 private:
  struct Attempting {
    Instant not_before{};
    std::set<uint32_t> legs;  // without an outcome
    bool running = false;
  };
  static std::set<uint32_t> AllLegs(uint32_t count);
  struct QueuedWrite {
    Instant done_at;
    cluster::Persist persist;
  };
  struct Node {
    NodeId id;
    std::string region;
    uint32_t boot = 0;
    std::unique_ptr<cluster::Replica> replica;
    VirtualDisk disk;
    std::deque<QueuedWrite> writes;
    std::map<MessageId, Attempting> queue;  // messages to deliver
    bool writes_blocked = false;
    bool suspect = false;
    Instant machine_restarted_at{};
    std::deque<cluster::Event> events;
    bool stepping = false;
  };
  struct Frame {
    Instant at;
    int from;
    int to;
    uint64_t session;  // of the link: frames of a broken one are lost
    std::function<void(int)> arrive;
  };
  struct Settled {
    MessageId message;
    absl::Status status;
  };

  void Boot(int index);
  void Connect(int a, int b, bool up);
  void StepTime();
  void Publish(int but = -1);  // the snapshot
  void Perform(int index, cluster::Actions actions);
  void Do(int index, cluster::SendControl& action);
  void Do(int index, cluster::SendData& action);
  void Do(int index, cluster::SendCopies& action);
  void Do(int index, cluster::Persist& action);
  void Do(int index, cluster::UploadSettled& action);
  void Do(int index, cluster::TakeOver& action);
  void Do(int index, cluster::LegsSettled& action);
  void Do(int index, cluster::SegmentLost& action);
  void Do(int index, cluster::AttemptCleared& action) { Complete(index, action.message); }
  void Do(int index, cluster::AttemptStopped& action);
  void Do(int index, cluster::AskToSurvive& action);
  void Do(int index, cluster::Note& action);
  void SendFrame(int from, NodeId to, cluster::Event event);
  void TryDeliveries(int index);
  void Complete(int index, const MessageId& id);
  bool LinkUp(int a, int b) const { return links_.contains({a, b}); }

  const cluster::ReplicaOptions options_;
  cluster::Snapshot snapshot_;
  Instant now_ = Instant(std::chrono::hours(100));
  uint64_t seed_;
  std::vector<Node> nodes_;
  std::map<std::pair<int, int>, uint64_t> links_;  // up: session
  std::set<std::pair<int, int>> cut_;              // by SetLink
  uint64_t next_session_ = 1;
  std::deque<Frame> frames_;
  cluster::UploadId next_upload_ = 1;
  std::map<cluster::UploadId, Settled> settled_;
  std::map<cluster::UploadId, uint32_t> upload_legs_;
  std::set<cluster::UploadId> resolving_;  // uploads that are questions
  int survivor_asks_ = 0;
  std::map<std::pair<MessageId, uint32_t>, int> delivered_;
  std::map<std::string, int> notes_;
  std::map<std::pair<SegmentId, Epoch>, std::set<int>> owners_;
  Instant next_tick_{};
};

}  // namespace fermo::test
