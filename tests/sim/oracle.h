// What must never happen, judged by what senders, primaries and disks saw.
//
// The invariants (docs/replication.md names them so, too):
//   I1 no-loss       every mail answered 250 reaches the primary
//   I2 no-invention  what the primary gets was sent, whole
//   I3 durable-250   at a 250, W synced copies in min_regions regions exist
//   I4 no-known-dot  no dot for a leg whose end or abort lies on the own disk
//   I5 one-owner     one owner per segment and epoch; no dot beside a later owner, or
//                    while fewer than W holders are bound by their leases
//   I6 no-duplicate  every further copy falls into D1, D2, D3 or D4
//   I7 converged     nothing is left anywhere when all is delivered
//   I8 one-verdict   an upload is answered once
//   I10 kept         a body goes only when W disks know every outcome
//   I11 residency    no copy outside of the regions that may hold it
//   I9 live          all is delivered within a bound after healing
// The oracle reads disks of its own accord; it asks no machine what it thinks,
// but for who acts as an owner.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "lib/base/ids.h"
#include "lib/base/time.h"
#include "tests/sim/history.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_network.h"

namespace fermo::sim {

// What the oracle may look at.
class Cluster {
 public:
  virtual ~Cluster() = default;
  virtual int size() const = 0;
  virtual const SimDisk& disk(int node) const = 0;
  virtual NodeId id(int node) const = 0;
  virtual bool evicted(NodeId node) const = 0;
  virtual const std::string& region(int node) const = 0;
  // It acts as owner of this epoch or a later one.
  virtual bool Owns(int node, const SegmentId& segment, Epoch at_least) const = 0;
  // Holders, itself included, that can promise its segment to nobody else now.
  virtual bool HasLeases(int node, const SegmentId& segment) const = 0;
};

struct OracleOptions {
  uint32_t write_copies = 2;
  uint32_t min_regions = 2;
  Duration grace{};
  bool faults = true;
};

class Oracle {
 public:
  Oracle(const Cluster& cluster, OracleOptions options, History& history)
      : cluster_(cluster), options_(options), history_(history) {}

  // --- Senders
  void Uploading(uint64_t token, uint64_t mail, uint32_t legs, std::vector<std::string> regions);
  void Verdict(Instant now, uint64_t token, const MessageId& id, bool accepted);
  // The sender hears 250, at once or by asking again.
  void Accepted(Instant now, uint64_t token, const MessageId& id);
  void SenderRetries(uint64_t mail) { retried_.insert(mail); }

  // --- Owners
  void TookOver(Instant now, int node, const SegmentId& segment, Epoch epoch);
  void AttemptBegins(Instant now, int node, const MessageId& id, const std::vector<uint32_t>& legs);
  void AttemptEnds(int node, const MessageId& id, bool with_outcomes);
  void DotLeaves(Instant now, int node, const MessageId& id, const std::vector<uint32_t>& legs,
                 Epoch epoch, bool alone);
  void DeliversAlone(const SegmentId& segment) { alone_.insert(segment); }
  void Unreadable(Instant now, int node, const MessageId& id);  // what it holds and may deliver
  void CopyStored(Instant now, int node, const MessageId& id, std::string_view record);
  void BodyGoes(Instant now, int node, const MessageId& id);
  void NodeStops(Instant now, int node);  // killed, or its power is gone
  // Synced writes are gone: what only these told may be done again (D3).
  void DiskLied(const test::VirtualDisk& before, const test::VirtualDisk& after);

  // --- The primary
  void Delivered(Instant now, int node, const MessageId& id, uint64_t token, uint32_t leg);
  void ReplyLost(const MessageId& id, const std::vector<uint32_t>& legs);

  // --- At the end
  void Judge(Instant now, bool in_time);

  bool AllDelivered() const;  // of what was accepted
  // Without this node's disk, mail that was answered 250 could not be delivered, or
  // nobody would know that it was: no operator evicts it. `believed`: a node whose lost
  // disks count as if it still had them; -1: none.
  bool MayLose(int node, int believed = -1) const;
  const std::vector<std::string>& violations() const { return violations_; }
  uint64_t accepted() const { return accepted_.size(); }
  uint64_t duplicates() const { return duplicates_; }

 private:
  using Leg = std::pair<MessageId, uint32_t>;
  struct Sent {
    uint64_t mail = 0;
    uint32_t legs = 0;
    bool answered = false;
    std::vector<std::string> regions;
  };
  struct Try {
    Instant begun{};
    int node = 0;
    bool known_before = false;  // W holders knew its outcome when the try began
  };
  struct Copy {
    MessageId id;
    Try attempt;
  };

  void Fail(Instant now, std::string_view invariant, const std::string& what);
  bool IsDelivered(const Sent& sent) const;
  bool AloneKnowsEnd(int node, const MessageId& id) const;
  bool KnownNow(const MessageId& id, uint32_t leg) const;
  bool IsHolder(int node, const SegmentId& id) const;
  bool HasElsewhere(int node, const MessageId& id, int believed) const;
  uint32_t Needed(const MessageId& id) const;
  uint32_t HoldersOf(const MessageId& id, std::set<std::string>* regions) const;
  bool OutcomeOn(uint32_t copies, const MessageId& id, uint32_t leg) const;
  bool OutcomeOnW(const MessageId& id, uint32_t leg) const {
    return OutcomeOn(options_.write_copies, id, leg);
  }
  bool Explained(uint64_t mail, uint32_t leg, const Copy& first, const Copy& later) const;

  const Cluster& cluster_;
  const OracleOptions options_;
  History& history_;
  std::map<uint64_t, Sent> sent_;           // by token
  std::map<MessageId, uint64_t> accepted_;  // token
  std::set<uint64_t> retried_;              // mails that a sender sent again
  std::map<std::pair<SegmentId, Epoch>, NodeId> owners_;
  std::map<std::pair<int, MessageId>, Try> trying_;  // until W holders know the outcome
  std::map<std::pair<int, MessageId>, std::vector<uint32_t>> trying_legs_;
  std::set<SegmentId> alone_;  // D4
  std::set<Leg> reply_lost_;   // D2
  std::set<Leg> owner_died_;   // D3
  std::set<Leg> forgotten_;    // ended, and a disk that lied knows nothing of it
  std::map<std::pair<uint64_t, uint32_t>, std::vector<Copy>> copies_;  // by mail and leg
  uint64_t duplicates_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace fermo::sim
