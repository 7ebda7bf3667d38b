// The replication machine of one node: segments, leases, announcements,
// claims, outcomes and closing (design section 4).
//
// Pure: Step(event, now) returns the actions that the event calls for, in
// order. No I/O, threads or clocks; production and simulator run this class.
// Ownership: owns its state; values in and out. Threading: one thread at a
// time. Failure: nonsense from peers is ignored or refused, never fatal; a
// failed write never comes back as Persisted, the process ends instead.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "lib/base/random.h"
#include "lib/cluster/placement.h"
#include "lib/cluster/replica_types.h"
#include "lib/cluster/segment.h"

namespace fermo::cluster {

class Replica {
 public:
  Replica(ReplicaOptions options, Snapshot snapshot, std::vector<RecoveredSegment> recovered,
          Instant now);

  Actions Step(const Event& event, Instant now);

  // Where an upload that was begun and not refused will go. REQUIRES: it is open.
  MessageId PlannedId(UploadId upload) const;
  uint32_t PlannedBody(UploadId upload) const;  // for bodies of several chunks
  bool IsOpen(UploadId upload) const { return uploads_.contains(upload); }

  // OK when W holders in min_regions regions can be had now; else Unavailable
  // with a reason for people.
  absl::Status CanAccept(Instant now) const;
  // W holders in min_regions regions, of those that `may` be one.
  bool CanReach(const std::function<bool(NodeId)>& may, Instant now) const;
  // An attempt may start: leases from W holders run.
  bool MayStart(const SegmentId& id, Instant now) const;
  // The final dot may go: leases run and W holders know the announcement.
  bool MayFinish(const MessageId& message, Instant now) const;

  using View = ReplicaView;
  View GetView(Instant now) const;
  // Null when this node knows nothing of it.
  const Segment* Find(const SegmentId& id) const;

 private:
  struct Peer {
    bool control = false;
    bool data = false;
    uint32_t boot = 0;
    std::optional<Instant> last_heard;
    std::optional<Instant> named_since;  // it tells us of its segments without a pause
    Instant last_named{};
    Instant down_since{};
    Instant lags_until{};  // it takes no new mail before
    std::map<uint64_t, std::vector<std::pair<SegmentId, Epoch>>> asked;  // by heartbeat
  };
  struct Upload {
    SegmentId segment;
    uint32_t body = 0;    // of several chunks; 0: none yet
    uint32_t chunks = 0;  // already added
  };

  // What waits for a synced write.
  struct AppendedHere {
    SegmentId segment;
    Seq seq;
  };
  struct AppendedFor {
    NodeId peer;
    SegmentId segment;
    Seq seq;
  };
  struct AbortedHere {
    SegmentId segment;
    Seq seq;
    UploadId upload;
  };
  struct PromisedSelf {
    SegmentId segment;
    Epoch epoch;
  };
  struct PromisedPeer {
    NodeId peer;
    SegmentId segment;
    Epoch epoch;
  };
  struct OutcomesHere {
    SegmentId segment;
    std::vector<Seq> seqs;
  };
  struct OutcomesFor {
    NodeId peer;
    SegmentId segment;
    std::vector<std::pair<Seq, uint32_t>> legs;
  };
  struct ClosedHere {
    SegmentId segment;
  };
  struct ClosedFor {
    NodeId peer;
    SegmentId segment;
    bool by_this_write = false;  // else by an earlier one
  };
  struct ForgottenFor {
    NodeId peer;
    SegmentId segment;
  };
  struct SyncMark {};
  struct AnnouncedFor {  // its write need not be synced
    NodeId peer;
    Announce announcement;
  };
  using Continuation =
      std::variant<AppendedHere, AppendedFor, AbortedHere, PromisedSelf, PromisedPeer, OutcomesHere,
                   OutcomesFor, ClosedHere, ClosedFor, ForgottenFor, SyncMark, AnnouncedFor>;

  // --- replica.cc: dispatch, peers, queries
  void On(const Tick&);
  void On(const SnapshotChanged& event);
  void On(const PeerUp& event);
  void On(const PeerDown& event);
  void On(const ControlReceived& event);
  void On(const DataReceived& event);
  void On(const IncomingEnded& event) { DropIncomingOf(event.from); }
  void On(const Persisted& event);
  bool IsLive(NodeId node, Instant now) const;
  bool IsEvicted(NodeId node) const { return evicted_.contains(node); }
  bool IsDraining(NodeId node) const;
  bool EndIsKnownElsewhere(const Segment& segment) const;  // of a closed segment
  bool Accepting() const;
  PlacementRules Rules(const std::vector<std::string>& regions) const;
  uint32_t Left(const std::vector<NodeId>& holders) const;  // not evicted
  // Copies, leases and acknowledgements that are needed: W, or all that are left.
  uint32_t CopiesNeeded(const SegmentRecord& record) const;
  uint32_t PromisesNeeded(const SegmentRecord& record, const std::vector<NodeId>& list) const;
  bool ClaimHolds(const SegmentRecord& record, const std::set<NodeId>& promisers) const;
  bool SyncHealthy(Instant now) const;
  std::string RegionOf(NodeId node) const;
  uint32_t Regions(const std::vector<NodeId>& nodes) const;
  std::vector<NodeId> Reached(const std::function<bool(NodeId)>& may, Instant now) const;
  bool CanHold(const std::vector<NodeId>& nodes) const;  // enough for a 250, as configured
  bool DurableOn(const SegmentRecord& record, const std::vector<NodeId>& nodes) const;
  Segment* FindSegment(const SegmentId& id);
  bool WasForgotten(const SegmentId& id) const;  // lately
  Segment* Adopt(const SegmentRecord& record);   // known, or made from a record that names us
  void SaveSegment(Segment& segment, std::vector<spool::WriteOp>& ops);
  void Write(std::vector<spool::WriteOp> ops);  // unsynced
  void WriteSynced(std::vector<spool::WriteOp> ops, Continuation then);
  void Write(std::vector<spool::WriteOp> ops, spool::Durability durability, Continuation then);
  void Tell(NodeId to, DataMessage message, bool answer = false);
  void Tell(NodeId to, ControlMessage message, bool answer = false);
  void AddNote(std::string_view what, const Segment& segment, NodeId peer = {}, uint64_t count = 0);

  // --- replica_append.cc: the writer, and the holder's side of appends
  void On(const BeginUpload& event);
  void On(const AddChunk& event);
  void On(const CommitUpload& event);
  void On(const AbandonUpload& event);
  void On(const StopAccepting&);
  Segment* OpenSegment(const std::vector<std::string>& regions);
  void EndUpload(UploadId upload);
  void Acknowledge(Segment& segment, Seq seq, NodeId holder);
  void AbortPending(Segment& segment, Seq seq);
  void AbortAllPending(Segment& segment);
  void AbortRefused(Segment& segment, const SeqSet& seqs, NodeId by);
  void RefuseUploads(Segment& segment);
  void SealAll();
  void NoLongerOpen(const SegmentId& id);
  void TickWriter(Segment& segment);
  void MaybeSeal(Segment& segment);
  bool HasBetterHolders(const Segment& segment) const;
  void NoteLaggards(const Segment& segment);
  bool KeepsUp(NodeId node) const;
  void Receive(NodeId from, const Append& message);
  void Receive(NodeId from, const Chunk& message);
  void Receive(NodeId from, const DropBody& message);
  void DropIncomingOf(NodeId from);
  void DropIncoming(NodeId from, const SegmentId& id, uint32_t body, uint32_t chunks);
  void Receive(NodeId from, const Stored& message);
  void Receive(NodeId from, const Abort& message);
  void RecordAbort(Segment& segment, Seq seq, std::vector<spool::WriteOp>& ops);
  void Done(const AppendedHere& done);
  void Done(const AppendedFor& done);
  void Done(const AbortedHere& done);

  // --- replica_resolve.cc: verdicts that were not heard
  void Remember(uint64_t token, const MessageId& message);
  void On(const ResolveUpload& event);
  bool Resolve(const ResolveUpload& event);  // whether it is settled
  void TickResolving();

  // --- replica_lease.cc: heartbeats and leases
  void SendHeartbeats();
  void SendHeartbeat(NodeId to, Peer& peer);
  void Receive(NodeId from, uint32_t boot, const Heartbeat& message);
  void Receive(NodeId from, uint32_t boot, const HeartbeatAnswer& message);
  bool AcceptOwner(Segment& segment, const SegmentRecord& record, bool lease_wanted);
  void AdoptNewer(Segment& segment, const SegmentRecord& record);
  void LoseOwnership(Segment& segment);
  uint32_t Leases(const Segment& segment, Instant now) const;  // ourselves included
  bool HoldsLeases(const Segment& segment, Instant now) const;

  // --- replica_attempt.cc: announcements
  void On(const BeginAttempt& event);
  void On(const EndAttempt& event);
  void TickAttempts(Segment& segment);
  void Receive(NodeId from, uint32_t boot, const Announce& message);
  void Receive(NodeId from, uint32_t boot, const AnnounceAnswer& message);
  void Receive(NodeId from, uint32_t boot, const Withdraw& message);
  void AnnounceAttempt(Segment& segment, Seq seq, Attempt& attempt);
  void MaybeClear(Segment& segment, Seq seq, Attempt& attempt);
  void StopAttempts(Segment& segment);
  void SettleAll(const MessageId& message);  // nothing left to deliver
  void ReleaseWaits(NodeId old_owner, uint32_t new_boot);
  void Hear(Segment& segment, Seq seq, HeardAttempt heard);
  void Done(const AnnouncedFor& done);
  void ForgetHeard(Segment& segment, Seq seq);
  std::vector<InFlight> UnderWay(const Segment& segment) const;
  std::vector<spool::LegOutcome> KnownOutcomes(const Segment& segment,
                                               const Announce& message) const;

  // --- replica_claim.cc: taking over
  void TickClaim(Segment& segment);
  void StartAsking(Segment& segment);
  void MaybeClaim(Segment& segment);
  SegmentRecord Proposal(const Segment& segment, Epoch epoch) const;
  Epoch NextEpoch(const Segment& segment);
  bool MayClaim(const SegmentRecord& record, NodeId node) const;
  bool IsRemnant(const SegmentRecord& record) const;
  void StartClaiming(Segment& segment);
  void RetryClaim(Segment& segment, Duration wait);
  std::set<NodeId> Promisers(const Segment& segment) const;
  bool Promised(const Segment& segment) const;  // by as many as the claim needs
  bool AllJoin(const SegmentRecord& record, const std::set<NodeId>& nodes) const;
  void MaybeWin(Segment& segment);
  void BecomeOwner(Segment& segment);
  Segment* FindForClaim(const SegmentRecord& record, bool by_owner);
  bool KnowsNewer(const Segment& segment, const SegmentRecord& record, NodeId claimant,
                  bool by_owner) const;
  Duration Hindrance(const Segment& segment, NodeId claimant, Epoch epoch) const;
  void Receive(NodeId from, uint32_t boot, const Ask& message);
  void Receive(NodeId from, uint32_t boot, const AskAnswer& message);
  void Receive(NodeId from, uint32_t boot, const Claim& message);
  void Receive(NodeId from, uint32_t boot, const Promise& message);
  void Done(const PromisedSelf& done);
  void Done(const PromisedPeer& done);

  // --- replica_tenure.cc: what a claim that holds makes of the claimant
  void RefreshViews(Segment& segment);
  void SettleList(Segment& segment, const ClaimState& claim);
  bool AllKnowWhatIsUnderWay(const Segment& segment, const ClaimState& claim,
                             const SeqSet& finished) const;
  Duration OwnLossWait() const;
  void TakeWaits(Segment& segment, const Promise& promise);
  void StartTenure(Segment& segment, const ClaimState& claim);
  void RenewTenure(Segment& segment);
  void HandOver(Segment& segment);

  // --- replica_repair.cc: new holders for old, and what became of a segment
  void TickRepair(Segment& segment);
  void MaybeStartRepair(Segment& segment);
  std::optional<std::vector<NodeId>> BetterList(const Segment& segment) const;
  bool IsGone(NodeId node) const;
  void StartRepair(Segment& segment, std::vector<NodeId> holders);
  void NoteProgress(Segment& segment);
  void NoteUnfit(Segment& segment);
  void GiveUpRepair(Segment& segment, std::string_view why);
  bool HasAll(const Segment& segment, const HolderView& view) const;
  bool AreEnough(const SegmentRecord& record, const std::vector<NodeId>& whole,
                 const std::vector<NodeId>& list) const;
  uint32_t RepairsUnderWay() const;
  void TickStray(Segment& segment);
  void DropStray(Segment& segment);
  void InquireAll(Segment& segment);
  void Receive(NodeId from, uint32_t boot, const Inquire& message);
  void Receive(NodeId from, uint32_t boot, const InquireAnswer& message);

  // --- replica_survivor.cc: delivery without a quorum
  void TickSurvivor(Segment& segment);
  void On(const SurvivorVerdict& event);
  bool IsLonely(const Segment& segment) const;
  void StartSurviving(Segment& segment);
  void OfferAlone(Segment& segment, const std::vector<Seq>& seqs);
  void StopSurviving(Segment& segment);

  // --- replica_suspect.cc: after an unclean stop of the machine
  void Suspect(Segment& segment);
  bool HasNamedAll(const Peer& peer, Instant now) const;
  void NoteNamed(Peer& peer);
  bool MayHaveForgotten(Instant now) const;
  void TickSuspect(Segment& segment);
  bool HasSuspect(const Segment& segment, const std::vector<NodeId>& holders) const;
  bool ComparedEnough(const Segment& segment, NodeId suspect) const;

  // --- replica_sync.cc: comparing inventories
  void StartSync(Segment& segment, HolderView& view);
  SegmentRecord RecordFor(const Segment& segment, const HolderView& view) const;
  void TickSync(Segment& segment);
  Inventory MakeInventory(const Segment& segment) const;
  void MergeInventory(Segment& segment, HolderView& view, const Inventory& inventory);
  void SendWhatLacks(Segment& segment, HolderView& view, const Inventory& inventory);
  void Receive(NodeId from, const InventoryRequest& message);
  void Receive(NodeId from, const Inventory& message);
  void Receive(NodeId from, const Fetch& message);
  void Offer(Segment& segment, const std::vector<Seq>& seqs);  // to delivery

  // --- replica_outcome.cc: outcomes and the end of messages
  bool Merge(Segment& segment, const spool::LegOutcome& outcome, std::vector<spool::WriteOp>& ops);
  void LearnOutcomes(Segment& segment, const std::vector<spool::LegOutcome>& outcomes, NodeId from);
  void PassOnOutcomes(Segment& segment);
  void NoteDone(HolderView& view, const Segment& segment, Seq seq, uint32_t leg);
  void MaybeFinish(Segment& segment, const std::vector<Seq>& seqs);
  void FinishHere(Segment& segment, Seq seq, std::vector<spool::Outcome> outcomes,
                  std::vector<spool::WriteOp>& ops);
  void Receive(NodeId from, const Outcomes& message);
  void Receive(NodeId from, const OutcomesStored& message);
  void Receive(NodeId from, const Finish& message);
  void Done(const OutcomesHere& done);
  void Done(const OutcomesFor& done);

  // --- replica_close.cc: the end of segments
  void TickClose(Segment& segment);
  void TickCloser(Segment& segment);
  void CloseHere(Segment& segment, SeqSet finished, SeqSet aborted, Continuation then);
  void Receive(NodeId from, const Close& message);
  void Receive(NodeId from, const CloseAnswer& message);
  void Receive(NodeId from, const Forget& message);
  void Receive(NodeId from, const Forgotten& message);
  void MaybeCloseHere(Segment& segment);
  void MaybeForget(Segment& segment);
  void Done(const ClosedHere& done);
  void Done(const ClosedFor& done);
  void Done(const ForgottenFor& done);
  void Done(const SyncMark&) {}

  const ReplicaOptions options_;
  const Instant started_;
  Snapshot snapshot_;
  std::set<NodeId> evicted_;  // only grows
  Rng random_;
  Instant now_{};               // of the step under way
  Actions out_;                 // of the step under way
  const Instant silent_until_;  // after a boot nothing is promised until then
  Instant last_synced_{};
  bool accepting_ = true;
  bool knows_all_ = true;  // no segment that was forgotten in an unclean stop is unknown
  Instant next_heartbeat_{};
  uint64_t next_token_ = 1;
  uint32_t next_segment_ = 1;
  uint64_t next_tenure_ = 1;
  std::map<std::vector<std::string>, SegmentId> open_;  // that take new uploads, by regions
  absl::flat_hash_map<uint64_t, MessageId> tokens_;     // of what this node took in lately
  std::deque<std::pair<Instant, uint64_t>> token_ages_;
  std::vector<std::pair<Instant, ResolveUpload>> resolving_;  // with their deadlines
  std::map<SegmentId, Segment> segments_;
  std::map<NodeId, Peer> peers_;
  std::map<std::tuple<NodeId, SegmentId, uint32_t>, uint32_t> incoming_;  // chunks, by body
  absl::flat_hash_map<UploadId, Upload> uploads_;
  absl::flat_hash_map<uint64_t, Continuation> waiting_;  // by token
  std::map<SegmentId, Instant> forgotten_;               // when; late frames don't bring them back
};

}  // namespace fermo::cluster
