// The node's spool at work: feeds the replication machine with events and
// carries out its actions on the store, the peers and delivery.
//
// Ownership: by the node; store, transport, delivery and executor outlive it.
// Threading: the core executor (one thread); the store's callbacks are handed
// over to it. Failure: a store that fails ends the process (its on_fatal), so
// no write is ever answered that did not reach the disk.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "lib/base/log.h"
#include "lib/cluster/replica.h"
#include "lib/net/asio.h"
#include "lib/net/deadline.h"
#include "node/delivery/ownership.h"
#include "node/replication/copier.h"
#include "node/replication/peer_metrics.h"
#include "node/replication/spool_metrics.h"
#include "node/replication/transport.h"
#include "node/store/spool_store.h"

namespace fermo::node {

class Deliverer;

struct SpoolCoreOptions {
  cluster::ReplicaOptions replica;
  Duration tick = std::chrono::milliseconds(100);
  // New octets are taken from frontends only while less than this waits for
  // the disk, and less than this for the slowest peer. Copies are taken until
  // twice as much waits for the disk, and again once it is less than this.
  size_t max_waiting_bytes = 32 << 20;
  uint64_t copy_rate = 32 << 20;  // octets of copies a second to each peer
};

class SpoolCore : public Ownership {
 public:
  SpoolCore(net::Executor executor, SpoolCoreOptions options, SpoolStore& store,
            Transport& transport, cluster::Snapshot snapshot,
            std::vector<cluster::RecoveredSegment> recovered, Logger log, net::Metrics& metrics);
  ~SpoolCore() override;

  // `delivery` may be set once, before Start.
  void SetDelivery(Deliverer* delivery) { delivery_ = delivery; }
  void Start();
  void Stop();  // no more ticks; what waits for the disk still ends
  void Apply(cluster::Event event);

  // --- Uploads. `settled` is called once, with the message id or with why the
  // sender must not hear 250, unless the upload is abandoned before Commit.
  using Settled = std::function<void(absl::StatusOr<MessageId>)>;
  // `regions`: the only ones that may hold copies, sorted; empty: all.
  cluster::UploadId Begin(std::vector<std::string> regions, Settled settled);
  void AddChunk(cluster::UploadId upload, Bytes octets);
  // `record` lacks only its body number. `only_chunk` is null for bodies that
  // came by AddChunk.
  void Commit(cluster::UploadId id, spool::MessageRecord record, Bytes only_chunk);
  void Abandon(cluster::UploadId id);
  // The verdict of an earlier call with this token; see cluster::ResolveUpload.
  void Resolve(uint64_t token, Settled settled);
  // Calls `go` as soon as new octets may be taken; at once if they may now.
  void WhenRoom(std::function<void()> go);

  // Asks the coordinator whether this node may deliver a segment alone; the
  // answer comes back as a cluster::SurvivorVerdict.
  void SetAskToSurvive(std::function<void(const SegmentId&)> ask) { ask_ = std::move(ask); }

  // While set, appends and chunks of peers are dropped for want of room on the
  // disk. They also are, by themselves, while too much waits for the disk.
  void RefuseCopies(bool refuse) { refusing_copies_ = refuse; }
  bool refusing_copies() const { return refusing_copies_; }

  absl::Status CanAccept() const { return replica_.CanAccept(BootClock::now()); }
  // No uploads, appends or writes are under way.
  bool Idle() const;

  // --- Ownership
  bool MayStart(const SegmentId& segment) const override;
  void Announce(const MessageId& message, std::vector<uint32_t> legs,
                std::function<void(AnnounceVerdict)> done) override;
  bool MayFinish(const MessageId& message) const override;
  void Finish(const MessageId& message, std::vector<spool::LegOutcome> outcomes) override;

  const cluster::Replica& replica() const { return replica_; }

 private:
  struct Inbox;  // finished writes, from the store's thread
  struct Upload {
    Settled settled;
    std::vector<std::string> forward_paths;
    uint64_t size = 0;
    WallTime received_at{};
    Instant committed_at{};
  };

  void Drain();
  void Perform(cluster::Actions actions);
  void Do(cluster::SendControl& action) { transport_.Send(std::move(action)); }
  void Do(cluster::SendData& action);
  void Do(cluster::SendCopies& action) { copier_.Add(std::move(action)); }
  void Do(cluster::Persist& action);
  void Do(cluster::UploadSettled& action);
  void Do(cluster::TakeOver& action);
  void Do(cluster::LegsSettled& action);
  void Do(cluster::SegmentLost& action);
  void Do(cluster::AttemptCleared& action);
  void Do(cluster::AttemptStopped& action);
  void Do(cluster::AskToSurvive& action);
  uint64_t TenureOf(const SegmentId& segment) const;
  void Do(cluster::Note& note);
  void EndAnnouncement(const MessageId& message, AnnounceVerdict verdict);
  void TakeFinishedWrites();
  void OnTick();
  void RefreshMetrics();
  bool HasRoom() const;
  bool KeepsUp();
  void WakeWaiting();
  static net::Awaitable<void> LoadTakenOver(std::shared_ptr<bool> alive, SpoolCore* core,
                                            cluster::TakeOver taken, uint64_t tenure);

  net::Executor executor_;
  const SpoolCoreOptions options_;
  SpoolStore& store_;
  Transport& transport_;
  Logger log_;
  SpoolMetrics metrics_;
  PeerMetrics peer_metrics_;
  cluster::Replica replica_;
  Copier copier_;
  ContentReader reader_;
  Deliverer* delivery_ = nullptr;
  std::shared_ptr<Inbox> inbox_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  net::Deadline tick_;
  std::deque<cluster::Event> events_;
  bool draining_ = false;  // an event is being handled
  bool stopped_ = false;
  bool refusing_copies_ = false;
  bool store_behind_ = false;
  uint64_t next_upload_ = 1;
  size_t writes_waiting_ = 0;
  absl::flat_hash_map<cluster::UploadId, Upload> uploads_;
  absl::flat_hash_map<cluster::UploadId, Settled> resolving_;
  std::function<void(const SegmentId&)> ask_;
  absl::flat_hash_map<MessageId, std::function<void(AnnounceVerdict)>> announcing_;
  std::vector<std::function<void()>> waiting_for_room_;
};

}  // namespace fermo::node
