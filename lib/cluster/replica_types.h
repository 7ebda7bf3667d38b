// What goes into the replication machine and what comes out of it: events,
// actions, options, and the state recovered from disk. Pure values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "lib/base/bytes.h"
#include "lib/base/ids.h"
#include "lib/base/time.h"
#include "lib/cluster/messages.h"
#include "lib/cluster/segment_codec.h"
#include "lib/cluster/snapshot.h"
#include "lib/spool/write_op.h"

namespace fermo::cluster {

// A peer is alive while its last control message is not older than this many heartbeats.
inline constexpr int kMissedHeartbeats = 3;
// Who may have forgotten a promise skips at least so many epochs: more than what
// can have been promised between the last write that survived and the stop.
inline constexpr uint64_t kSkippedEpochs = 1000;
// And up to so many more at random: no two skips end at the same.
inline constexpr uint64_t kSkippedAtMost = uint64_t{1} << 32;

// Late frames of a forgotten segment are ignored for so long.
inline constexpr auto kRememberForgotten = std::chrono::minutes(1);
// Late mail for it, which may wait in a stream behind 64 MiB of other mail while its
// peer takes just enough (256 KiB in 3 s) not to be cut off, for longer.
inline constexpr auto kRememberForLateMail = std::chrono::minutes(15);

struct ReplicaOptions {
  NodeId self;
  uint32_t boot = 1;
  uint32_t copies = 3;        // N
  uint32_t write_copies = 2;  // W
  uint32_t min_regions = 2;
  Duration append_budget = std::chrono::seconds(20);
  Duration lease = std::chrono::seconds(10);
  double owner_share = 0.97;  // of the lease, as the owner counts it
  Duration lease_margin = std::chrono::milliseconds(500);
  Duration heartbeat_every = std::chrono::seconds(1);
  Duration claim_stagger = std::chrono::seconds(1);
  Duration claim_timeout = std::chrono::seconds(3);
  Duration sync_silence = std::chrono::seconds(5);  // no synced write for so long: no leases
  Duration announce_timeout = std::chrono::seconds(30);
  Duration announce_again = std::chrono::minutes(1);  // while an attempt goes on
  // What an announced leg waits when its owner is gone: the age that an
  // announcement may have at the final dot (two renewals, and one lost), the
  // time until the reply to it is given up (10 min), and a lease.
  Duration grace = std::chrono::minutes(13) + std::chrono::seconds(10);
  Duration holder_failure_after = std::chrono::seconds(2);
  // A holder is replaced when it was away for so long.
  Duration repair_after = std::chrono::minutes(10);
  Duration repair_every = std::chrono::seconds(1);
  Duration repair_timeout = std::chrono::minutes(10);  // for the copies of one segment
  uint32_t repairs_at_once = 4;
  Duration guest_patience = std::chrono::minutes(1);  // then unfinished copies are dropped
  Duration inquire_every = std::chrono::seconds(10);
  // With too few holders reachable for so long, one delivers alone.
  Duration orphan_after = std::chrono::minutes(15);
  uint32_t segment_messages = 65536;
  Duration segment_age = std::chrono::hours(1);
  // When the machine restarted since this node last ran: its announcements
  // may be lost, so promises say that every leg waits. Zero: it did not.
  Instant machine_restarted_at{};
  // It stopped uncleanly at that: even what was synced may be lost, if the disk
  // lied, until the other holders have compared with us.
  bool suspect = false;
  uint64_t seed = 1;
};

// How a message is stored, where it is not one leg and one chunk.
struct Shape {
  uint32_t body = 0;
  uint32_t chunks = 1;
  uint32_t legs = 1;
};

// An announcement that a holder heard (and wrote down unsynced).
struct HeardAttempt {
  NodeId owner;
  uint32_t owner_boot = 0;
  Epoch epoch;
  Instant until{};  // end of the grace
};

// One segment as the boot scan found it.
struct RecoveredSegment {
  StoredSegment stored;
  SeqSet held;
  SeqSet aborted;
  SeqSet finished;
  std::map<Seq, std::vector<spool::Outcome>> odd;
  std::map<Seq, Shape> shapes;
  std::vector<spool::LegOutcome> outcomes;
  std::map<Seq, HeardAttempt> heard;
  std::map<uint64_t, Seq> tokens;  // of what its writer took in lately
};

using UploadId = uint64_t;  // names an Enqueue call within this process

// --- Events
enum class Channel { kControl, kData };

struct Tick {};
struct SnapshotChanged {
  Snapshot snapshot;
};
struct PeerUp {
  NodeId peer;
  Channel channel = Channel::kControl;
  uint32_t boot = 0;
};
struct PeerDown {
  NodeId peer;
  Channel channel = Channel::kControl;
};
struct ControlReceived {
  NodeId from;
  uint32_t boot = 0;
  ControlMessage message;
};
struct DataReceived {
  NodeId from;
  DataMessage message;
};
struct IncomingEnded {  // the peer's own data stream to us broke, or was replaced
  NodeId from;
};
struct Persisted {  // of a Persist with a token; writes finish in order
  uint64_t token = 0;
};
struct BeginUpload {
  UploadId upload = 0;
  std::vector<std::string> regions;  // the only ones that may hold copies, sorted; empty: all
};
struct AddChunk {  // of an upload that will have at least two
  UploadId upload = 0;
  Bytes octets;
};
// The last chunk is in. `record` must carry the body number and the seq that
// PlannedSeq and PlannedBody named; `chunk` is the only chunk, or null.
struct CommitUpload {
  UploadId upload = 0;
  Bytes record;
  Bytes chunk;
  uint32_t chunks = 1;
  uint32_t legs = 1;
  uint64_t token = 0;  // of the sender's call; 0: none
};
// What became of the upload that came with this token? Settled as that is: OK,
// Unknown, or NotFound.
struct ResolveUpload {
  UploadId upload = 0;
  uint64_t token = 0;
};
struct AbandonUpload {
  UploadId upload = 0;
};
struct BeginAttempt {
  MessageId message;
  std::vector<uint32_t> legs;
};
struct EndAttempt {
  MessageId message;
  std::vector<spool::LegOutcome> outcomes;
};
struct StopAccepting {};  // drain: no new uploads, open segments are sealed
// What the coordinator says to AskToSurvive.
struct SurvivorVerdict {
  enum class Kind : uint8_t { kGranted, kRefused, kUnreachable } kind = Kind::kRefused;
  SegmentId segment;
};

using Event =
    std::variant<Tick, SnapshotChanged, PeerUp, PeerDown, ControlReceived, DataReceived,
                 IncomingEnded, Persisted, BeginUpload, AddChunk, CommitUpload, AbandonUpload,
                 ResolveUpload, BeginAttempt, EndAttempt, StopAccepting, SurvivorVerdict>;

// --- Actions
struct SendControl {
  NodeId to;
  bool answer = false;
  ControlMessage message;
};
struct SendData {
  NodeId to;
  bool answer = false;
  DataMessage message;
};
// Read these from the store and send them as copies, at leisure.
struct SendCopies {
  NodeId to;
  SegmentRecord segment;
  SeqSet seqs;
};
struct Persist {
  std::vector<spool::WriteOp> ops;
  spool::Durability durability = spool::Durability::kUnsynced;
  uint64_t token = 0;  // 0: nobody waits for it
};
struct UploadSettled {  // OK: durable on W; else the sender must not hear 250
  UploadId upload = 0;
  MessageId message;
  absl::Status status;
};
// Messages to deliver, with the earliest time of the first attempt.
struct OwnedMessage {
  Seq seq;
  Instant not_before{};
  std::vector<uint32_t> done_legs;
};
struct TakeOver {
  SegmentId segment;
  std::vector<OwnedMessage> messages;
};
struct LegsSettled {  // an outcome became known: nothing left to deliver there
  MessageId message;
  std::vector<uint32_t> legs;
};
struct SegmentLost {  // another node owns it, or it is closed
  SegmentId segment;
};
struct AttemptCleared {
  MessageId message;
};
struct AttemptStopped {
  MessageId message;
};
// May this node deliver alone? To be answered with a SurvivorVerdict.
struct AskToSurvive {
  SegmentId segment;
};
// Something worth a log line or a counter; `what` from a closed set.
struct Note {
  std::string_view what;
  SegmentId segment;
  NodeId peer;
  Epoch epoch;
  uint64_t count = 0;
};
using Action =
    std::variant<SendControl, SendData, SendCopies, Persist, UploadSettled, TakeOver, LegsSettled,
                 SegmentLost, AttemptCleared, AttemptStopped, AskToSurvive, Note>;
using Actions = std::vector<Action>;

// What a node tells of its replication, for metrics and operators.
struct ReplicaView {
  struct PeerStatus {
    NodeId node;
    bool live = false;
    std::optional<Duration> last_heard;  // ago
  };
  struct HeldSegment {  // with messages that are not finished
    SegmentId id;
    bool owned = false;  // by this node
    uint64_t messages = 0;
  };

  uint32_t segments = 0;  // not closed
  uint32_t owned = 0;
  uint64_t held = 0;              // messages
  uint64_t under_replicated = 0;  // owned messages on fewer than N live holders
  uint64_t at_risk = 0;           // owned messages on fewer than W live holders
  uint32_t surviving = 0;         // segments that are delivered alone
  uint32_t repairs = 0;           // under way
  bool suspect = false;  // this node may have lost mail that the others have not compared yet
  bool draining = false;
  uint32_t to_hand_over = 0;  // segments of which a draining node is still a holder
  std::vector<HeldSegment> held_segments;
  std::vector<PeerStatus> peers;
};

}  // namespace fermo::cluster
