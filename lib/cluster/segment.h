// One segment as one node sees it: what it holds, what it promised, and, by
// role, what it knows as writer, owner or claimant. Used by Replica alone.
//
// Plain state; no threads, no failure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "lib/base/ids.h"
#include "lib/base/time.h"
#include "lib/cluster/replica_types.h"
#include "lib/cluster/segment_record.h"
#include "lib/cluster/seq_set.h"

namespace fermo::cluster {

// An append that is not yet durable on W holders.
struct PendingAppend {
  UploadId upload = 0;
  std::vector<NodeId> stored;   // holders that have it on disk
  std::vector<NodeId> refused;  // holders that have promised a later epoch
  Instant deadline{};
  bool aborting = false;
};

// The node that appends, while the segment is open.
struct WriterState {
  uint32_t next_seq = 0;
  uint32_t next_body = 0;
  uint64_t legs = 0;  // of all messages
  Instant opened_at{};
  bool closing = false;  // no new uploads; sealed once the last has ended
  std::set<UploadId> uploads;
  std::map<Seq, PendingAppend> pending;
  std::map<Seq, std::vector<NodeId>> wanted;  // copies asked for before our own write ended
};

// What an owner knows of another node that has, had or is to have copies.
struct HolderView {
  enum class Role : uint8_t {
    kHolder,   // counts
    kJoining,  // of a list that is being prepared or proposed: counts for nothing yet
    kFormer,   // of an earlier list: has copies, counts for nothing
  };
  NodeId node;
  Role role = Role::kHolder;
  SeqSet has;                                   // message, mark or abort durable there
  SeqSet done;                                  // every outcome durable there
  std::map<Seq, std::set<uint32_t>> legs_done;  // of messages with several legs
  Instant lease_until{};
  std::optional<uint32_t> first_lacking;  // seq that it lacks or we want of it, and since when
  Instant lacking_since{};
  Instant asked_at{};    // for its inventory, last
  bool suspect = false;  // it may have lost what it said to have; `has` is what is left
  bool synced = false;   // inventories compared since its data stream came up
  bool syncing = false;  // asked, not yet answered
  bool closed = false;
};

struct Attempt {
  std::vector<uint32_t> legs;
  std::vector<NodeId> acknowledged;  // ourselves included
  Instant started{};                 // waits for W to acknowledge since
  Instant round{};                   // when it was last announced
  Instant fresh{};                   // start of the last round that W acknowledged
  bool cleared = false;
  bool suppressed = false;  // a holder knows an outcome of it
};

// A new list of holders on its way.
struct RepairState {
  std::vector<NodeId> holders;  // that it leads to
  // The joining nodes have all: the list is proposed with a claim. Meanwhile
  // no attempt starts and no body goes, so that what they have stays all.
  bool committing = false;
  // All is copied, and only the grace of legs that nobody can name is awaited.
  bool waiting = false;
  Instant until{};      // given up then
  uint64_t copied = 0;  // by the nodes that join, when it last was more
};

struct OwnerState {
  uint64_t tenure = 0;              // told apart from earlier ones of ours
  std::vector<HolderView> holders;  // without ourselves
  std::unique_ptr<RepairState> repair;
  Instant next_repair{};
  std::map<NodeId, Instant> unfit;  // did not take copies in time; not asked again before
  std::map<Seq, Attempt> attempts;
  std::map<Seq, InFlight> waits;  // announced by an earlier owner; `wait` unused
  Instant all_wait_until{};       // no leg starts before: a promiser's machine restarted
  SeqSet done_here;               // every outcome durable here
  SeqSet wanted;                  // mail that others have and we asked for
  bool close_sent = false;
  Instant close_sent_at{};

  HolderView* Find(NodeId node) {
    for (HolderView& view : holders) {
      if (view.node == node) return &view;
    }
    return nullptr;
  }
};

struct ClaimState {
  enum class Phase { kIdle, kAsking, kClaiming } phase = Phase::kIdle;
  Epoch epoch;  // asked for or claimed
  Epoch seen;   // highest promised epoch heard of
  Instant not_before{};
  Instant deadline{};
  uint32_t rounds = 0;
  std::set<NodeId> yes;
  NodeId refused_by;           // who said no in this round, last
  std::set<NodeId> told;       // answered our inquiry, without a newer record
  bool self_promised = false;  // our own promise is on disk
  std::map<NodeId, Promise> promises;
};

// A holder that delivers alone, since too few others can be reached.
struct SurvivorState {
  uint64_t tenure = 0;
  Instant until{};  // unless it is granted again
  std::map<Seq, Attempt> attempts;
};

// Whoever sees to it that a closed segment is forgotten everywhere.
struct CloserState {
  std::set<NodeId> closed;
  std::set<NodeId> forgotten;
  bool forget_sent = false;
  Instant next{};
};

struct Segment {
  SegmentRecord record;
  Epoch promised;
  NodeId promised_to;
  bool closed = false;
  bool closed_stored = false;  // and on disk
  bool stored = false;         // its record was written at least once
  bool suspect = false;        // what was durable here may be lost
  bool skips_epochs = false;   // it may have been forgotten, and with it what was promised

  SeqSet held;  // message durable here, not finished
  SeqSet aborted;
  SeqSet finished;
  std::map<Seq, std::vector<spool::Outcome>> odd;  // finished, not "one leg, delivered"
  std::map<Seq, Shape> shapes;                     // held, not "one leg, one chunk"
  std::map<Seq, std::map<uint32_t, spool::LegOutcome>> outcomes;  // of held messages
  std::map<Seq, uint32_t> storing;  // writes of outcomes that are under way

  Instant lease_until{};  // that we granted to the owner
  Instant last_named{};   // when a peer last told us that we have a part in it
  Instant next_inquiry{};
  std::map<NodeId, Fate> fates;  // answers to our inquiries
  std::map<Seq, HeardAttempt> heard;

  std::unique_ptr<WriterState> writer;
  std::unique_ptr<OwnerState> owner;  // non-null: we own it
  std::unique_ptr<SurvivorState> survivor;
  Instant lonely_since{};  // too few holders reachable since then; zero: enough are
  Instant next_survivor_ask{};
  std::map<Seq, uint64_t> flying;  // our own attempts that have not ended, by tenure
  std::unique_ptr<ClaimState> claim;
  std::unique_ptr<CloserState> closer;  // of a closed segment

  Shape ShapeOf(Seq seq) const {
    auto it = shapes.find(seq);
    if (it != shapes.end()) return it->second;
    Shape plain;
    plain.body = seq.value();
    return plain;
  }
  // Every leg of a message that we hold has an outcome.
  bool AllOutcomesKnown(Seq seq) const {
    auto it = outcomes.find(seq);
    return it != outcomes.end() && it->second.size() >= ShapeOf(seq).legs;
  }
  bool AllOutcomesStored(Seq seq) const { return AllOutcomesKnown(seq) && !storing.contains(seq); }
  bool Knows(Seq seq) const {
    return Contains(held, seq) || Contains(aborted, seq) || Contains(finished, seq);
  }
};

}  // namespace fermo::cluster
