// One node: the machines that production runs (cluster::Replica and
// node::DeliveryQueue) between a virtual disk, network and primary.
//
// Life: Boot, then Crash or LosePower, then Boot again. A stalled process
// (SIGSTOP, a long pause) takes in nothing until it goes on; what comes in
// waits. Its clock runs at a rate of its own and starts with its machine.
// Owned by the Simulation; one thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/cluster/replica.h"
#include "node/delivery/delivery_queue.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim_coordinator.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_primary.h"

namespace fermo::sim {

// What all nodes share.
struct World {
  Scheduler& scheduler;
  Rng& random;
  SimNetwork& network;
  Oracle& oracle;
  SimPrimary& primary;
  SimCoordinator& coordinator;
  History& history;
};

struct NodeSettings {
  int index = 0;
  NodeId id;
  std::string region;
  double clock_rate = 1;
  cluster::ReplicaOptions replica;
  Duration dot_timeout{};  // until a silent primary's reply to the final dot is given up
  uint32_t connections = 4;
};

class SimNode : public Endpoint {
 public:
  SimNode(World world, NodeSettings settings);

  // --- Faults
  void Boot();
  void Crash();
  void LosePower();
  void DistrustDisk() { disk_.Distrust(); }
  void Lie();  // its power goes, and what its disk said to have synced last
  void Stall(Duration span);
  void SlowDisk(Duration per_sync) { sync_time_ = per_sync; }
  void FailDisk() { disk_fails_ = true; }  // at its next synced write the process ends itself
  void FillDisk(bool full) { disk_full_ = full; }
  void LosePowerAtPromise() { power_at_promise_ = true; }
  void Disarm();  // faults that have not struck yet never will
  void LosePowerAtWrite(uint32_t synced) { power_at_write_ = synced; }  // that many from now
  void StallBeforeNextDot(Duration span) { stall_before_dot_ = span; }
  // What it gives others to rely on.
  enum class Word : uint8_t { kNone, kPromise, kAcknowledgement };
  void CrashAtNext(Word word) { crash_at_ = word; }
  std::function<void(int to)> on_word;  // called when that leaves
  // Its disk is destroyed; a new node is to start on this machine.
  void Wipe();
  // What the coordinator has published reaches it.
  void Configure(const cluster::Snapshot& snapshot);
  bool IsSafeToRemove() const;  // as a draining node says
  bool IsTrusted() const;       // all that it can have lost was compared with the others
  void StopAccepting();
  void Reconfigure(uint32_t copies, uint32_t write_copies);  // from its next boot on
  void TellOfProposal() { tell_of_proposal_ = true; }
  std::function<void()> on_proposal;  // of a list of holders, when that is wanted
  // Called when the process ended itself.
  std::function<void()> on_death;

  // --- Senders, by way of a frontend. `verdict` is called once; empty: no answer.
  struct Mail {
    uint64_t token = 0;
    uint32_t legs = 1;
    uint32_t chunks = 1;
    Duration between_chunks{};
    std::vector<std::string> regions;  // the only ones that may hold it; empty: all
  };
  // Of one chunk, unlike any other.
  static Bytes Content(uint64_t token, uint32_t index);
  using Verdict = std::function<void(std::optional<absl::Status>)>;
  void Upload(Mail mail, Verdict verdict);
  // The frontend did not hear a verdict and asks the same node for it.
  void Resolve(uint64_t token, Verdict verdict);

  // --- Views
  bool Running() const override { return replica_ != nullptr; }
  bool Answering() const override { return Running() && stalled_until_ <= world_.scheduler.now(); }
  uint32_t boot() const override { return boot_; }
  NodeId id() const override { return id_; }
  bool Knows(NodeId node) const override { return snapshot_.FindMember(node) != nullptr; }
  bool KnowsEvicted(NodeId node) const override;
  const std::vector<NodeId>& evicted() const override { return snapshot_.evicted; }
  void HearOfEvictions(const std::vector<NodeId>& nodes) override;
  void Receive(cluster::Event event) override;
  const SimDisk& disk() const { return disk_; }
  const std::string& region() const { return settings_.region; }
  bool Owns(const SegmentId& id, Epoch at_least) const;
  // As of this node's own record: null when it knows nothing of it.
  const cluster::SegmentRecord* KnownRecord(const SegmentId& id) const;
  // Nothing keeps it from promising the segment to another than its owner of this epoch.
  bool IsFree(const SegmentId& id, Epoch epoch) const;
  std::string Describe() const;  // what is left here, for a reader of the history
  bool disk_full() const { return disk_full_; }

 private:
  struct Uploading {
    Mail mail;
    Verdict verdict;
    MessageId id;
    uint32_t sent_chunks = 0;
    bool resolving = false;
  };
  struct Attempt {
    std::vector<uint32_t> legs;
    Epoch epoch;
    bool alone = false;  // without a quorum
    bool dot_sent = false;
  };
  // Runs when this process, and no later one, is on; later if it is stalled.
  void WhenOn(Duration after, Scheduler::Task task);
  void Do(Scheduler::Task task);
  Instant Local() const;
  void Step(const cluster::Event& event);
  void Tick();
  void EndProcess();
  void MaybeCrashAt(NodeId to, const cluster::ControlMessage& message);
  void Join();
  void Publish(const cluster::Snapshot& before);

  void Perform(cluster::SendControl& action);
  void Perform(cluster::SendData& action);
  void Perform(cluster::SendCopies& action);
  void Perform(cluster::Persist& action);
  void Perform(cluster::UploadSettled& action);
  void Perform(cluster::TakeOver& action);
  void Perform(cluster::LegsSettled& action);
  void Perform(cluster::SegmentLost& action);
  void Perform(cluster::AttemptCleared& action);
  void Perform(cluster::AttemptStopped& action);
  void Perform(cluster::AskToSurvive& action);
  void Perform(cluster::Note& action);

  void StartWriting();
  void FinishWriting(size_t batch);
  void NextChunk(cluster::UploadId upload);
  void Commit(cluster::UploadId upload);
  void Enqueue(const MessageId& id, const spool::MessageRecord& record,
               const std::vector<uint32_t>& done, Instant not_before);
  void Deliver();
  void SendDot(const MessageId& id);
  void DotArrives(const MessageId& id, const std::vector<uint32_t>& legs);
  void EndAttempt(const MessageId& id, std::vector<node::LegResult> results);

  const World world_;
  NodeSettings settings_;
  NodeId id_;
  cluster::Snapshot snapshot_;  // the last one that reached it; kept on its disk
  uint32_t boot_ = 0;           // of this identity
  uint32_t life_ = 0;           // of this machine
  Instant machine_started_;
  Instant forgot_at_{};  // on its own clock: unsynced announcements are gone; zero: none are
  Instant booted_at_{};  // on its own clock
  bool suspect_ = false;
  std::unique_ptr<cluster::Replica> replica_;
  std::deque<cluster::Event> events_;
  bool stepping_ = false;
  Instant stalled_until_{};
  std::deque<Scheduler::Task> stalled_;

  SimDisk disk_;
  std::deque<cluster::Persist> writes_;
  bool writing_ = false;
  Duration sync_time_;
  bool disk_fails_ = false;
  bool disk_full_ = false;
  bool power_at_promise_ = false;
  bool tell_of_proposal_ = false;
  Word crash_at_ = Word::kNone;
  uint32_t power_at_write_ = 0;

  cluster::UploadId next_upload_ = 1;
  std::map<cluster::UploadId, Uploading> uploads_;
  std::unique_ptr<Rng> queue_random_;
  std::unique_ptr<node::DomainTable> domains_;
  std::unique_ptr<node::DeliveryQueue> queue_;
  std::map<MessageId, Attempt> attempts_;
  Duration stall_before_dot_{};
};

}  // namespace fermo::sim
