// What nodes say to each other, as pure values. The wire form is in
// proto/fermoposta/v1/replication.proto; lib/rpc converts.
//
// Control messages are small and never wait behind mail; data messages carry
// mail and outcomes. A message is a request on the sender's own stream or an
// answer on the receiver's half of the peer's stream.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "lib/base/bytes.h"
#include "lib/base/ids.h"
#include "lib/base/time.h"
#include "lib/cluster/segment_record.h"
#include "lib/cluster/seq_set.h"
#include "lib/spool/record.h"

namespace fermo::cluster {

// --- Control
struct Heartbeat {       // asks for leases on the segments that the sender owns
  uint64_t sent_at = 0;  // sender's BootClock in ns, echoed
  bool lease_wanted = false;
  std::vector<SegmentRecord> segments;
};
struct HeartbeatAnswer {
  uint64_t echo = 0;
  bool granted = false;                // false: no lease at all
  std::vector<SegmentRecord> refused;  // what the answerer knows instead
};
struct Announce {  // an attempt at these legs starts
  SegmentId segment;
  Epoch epoch;
  Seq seq;
  std::vector<uint32_t> legs;
};
struct AnnounceAnswer {
  SegmentId segment;
  Epoch epoch;
  Seq seq;
  bool refused = false;                  // promised to a higher epoch
  std::vector<spool::LegOutcome> known;  // outcomes that stop the attempt
};
struct Withdraw {  // the attempt ended and left legs without an outcome
  SegmentId segment;
  Epoch epoch;
  Seq seq;
  // Of the other legs. They go on the data stream as well, but that may be far
  // behind this one.
  std::vector<spool::LegOutcome> outcomes;
};
struct Ask {  // would you promise?
  SegmentRecord record;
  Epoch epoch;
  // The asker is the living owner of record.epoch: it alone knows that none of
  // its earlier proposals was committed, and its list stands.
  bool owner = false;
};
struct AskAnswer {
  SegmentId segment;
  Epoch epoch;
  bool yes = false;
  Epoch promised;       // highest epoch promised here
  Duration wait{};      // when no: how long the hindrance lasts, if known
  SegmentRecord newer;  // when the asker's record is old; else owner is nobody
};
struct InFlight {  // a message of which legs were announced
  Seq seq;
  Duration wait{};  // what is left of the grace
  NodeId owner;     // who announced them
  uint32_t owner_boot = 0;
  Epoch epoch;  // under which they were announced
};
struct Claim {
  SegmentRecord record;
  Epoch epoch;
  bool owner = false;  // as in Ask
  // From an owner: all that is under way. Who joins has not heard of it, and
  // who stays need not have.
  std::vector<InFlight> in_flight;
};
// A message all of whose outcomes W holders know; outcomes by leg.
struct FinishedMessage {
  Seq seq;
  std::vector<spool::Outcome> outcomes;  // empty: one leg, delivered
};
struct Inventory {  // what a holder has of a segment, durably
  SegmentId segment;
  SeqSet held;  // record and body
  SeqSet aborted;
  SeqSet finished;                          // body gone
  std::vector<FinishedMessage> odd;         // the finished that are not "one leg, delivered"
  std::vector<spool::LegOutcome> outcomes;  // of messages still held
  bool closed = false;
  // What it had said to have may be gone: its machine stopped uncleanly. What is
  // listed here is all that it has, and not "all that it ever had".
  bool suspect = false;
};
struct Promise {
  SegmentId segment;
  Epoch epoch;
  bool granted = false;
  Epoch promised;
  Inventory inventory;
  std::vector<InFlight> in_flight;
  Duration all_wait{};  // the promiser's machine restarted lately: every leg waits
};
struct Inquire {  // what became of it?
  SegmentId segment;
};
enum class Fate : uint8_t {
  kUnknown = 1,  // and never, or no longer, had
  kKnown = 2,
  kClosed = 3,
  kCannotTell = 4,  // may have lost what it had
};
struct InquireAnswer {
  SegmentId segment;
  Fate fate = Fate::kUnknown;
  SegmentRecord record;  // when known
};
using ControlMessage = std::variant<Heartbeat, HeartbeatAnswer, Announce, AnnounceAnswer, Withdraw,
                                    Ask, AskAnswer, Claim, Promise, Inquire, InquireAnswer>;

// --- Data
struct Append {
  SegmentRecord segment;
  Seq seq;
  Bytes record;
  Bytes chunk;  // null unless the body is one chunk
  bool copy = false;
};
struct Chunk {
  SegmentId segment;
  uint32_t body = 0;
  uint32_t index = 0;
  Bytes octets;
};
struct DropBody {
  SegmentId segment;
  uint32_t body = 0;
};
struct Stored {
  SegmentId segment;
  SeqSet seqs;
  bool refused = false;
  Epoch promised;
};
struct Abort {
  SegmentId segment;
  SeqSet seqs;
};
struct Outcomes {
  SegmentId segment;
  std::vector<spool::LegOutcome> outcomes;
};
struct OutcomesStored {
  SegmentId segment;
  std::vector<std::pair<Seq, uint32_t>> legs;
};
struct Finish {
  SegmentId segment;
  std::vector<FinishedMessage> messages;
};
struct InventoryRequest {
  SegmentRecord segment;
  bool trusted = false;  // a suspect holder has been given again all that it can have lost
};
struct Fetch {
  SegmentId segment;
  SeqSet seqs;
};
struct Close {
  SegmentRecord segment;  // whole: the receiver may never have heard of it
  SeqSet finished;
  SeqSet aborted;
};
struct CloseAnswer {
  SegmentId segment;
  SeqSet missing;  // live here and outside the list
};
struct Forget {
  SegmentId segment;
};
struct Forgotten {
  SegmentId segment;
};
using DataMessage =
    std::variant<Append, Chunk, DropBody, Stored, Abort, Outcomes, OutcomesStored, Finish,
                 InventoryRequest, Inventory, Fetch, Close, CloseAnswer, Forget, Forgotten>;

}  // namespace fermo::cluster
