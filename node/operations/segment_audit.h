// The audit of one segment on the node that owns it: which seqs were given and
// are to be judged, and the books made of what the disk says of them.
//
// Values; one thread at a time, any. No failure: what is wrong is a gap.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lib/cluster/segment.h"
#include "lib/cluster/seq_set.h"
#include "node/store/spool_store.h"

namespace fermo::node {

// As of one moment. What is given later is not judged.
struct AuditPlan {
  uint32_t end = 0;  // seqs below it were given
  // Of them, not judged: the sender has no verdict yet, or the message is on its
  // way here from another holder.
  cluster::SeqSet in_flight;
  // With all that have or had copies. Else what is missing may be with another.
  bool compared = true;
  // Why these books may lack something or be another's; empty: they don't.
  std::string doubt;
};

// None when this node does not own the segment, or it is closed. A seq that the
// machine knows and that is not in flight has been given to the disk before now:
// behind a write that is queued now the disk shows it.
// `leads`: leases from enough holders run, so that nobody else owns it.
std::optional<AuditPlan> PlanAudit(const cluster::Segment* segment, bool leads);

struct DomainBooks {
  uint64_t accepted = 0;  // legs; a missing message counts as one
  uint64_t delivered = 0;
  uint64_t bounced = 0;
  uint64_t expired = 0;
  uint64_t cancelled = 0;
  uint64_t waiting = 0;
};

struct AuditGap {
  enum class Kind {
    kMissing,    // neither message nor mark
    kDamaged,    // it can't be decoded
    kNoOutcome,  // finished, without the outcome of a leg
  } kind = Kind::kMissing;
  uint32_t begin = 0;  // seqs, half-open
  uint32_t end = 0;
};

class SegmentBooks {
 public:
  // The gaps that are listed; the others are counted.
  static constexpr size_t kMaxGaps = 100;

  // Judges seqs from `from` on. `domain`: the books of this one and of legs of
  // unknown domain only; empty: of all.
  SegmentBooks(AuditPlan plan, uint32_t from, std::string domain);

  // REQUIRES: ascending, not below next().
  void Take(const AuditedSlot& slot);
  // No slot lies in [next(), end).
  void SkipTo(uint32_t end);

  uint32_t next() const { return next_; }  // the first seq that is not judged yet
  const AuditPlan& plan() const { return plan_; }
  const std::map<std::string, DomainBooks>& domains() const { return domains_; }
  const std::vector<AuditGap>& gaps() const { return gaps_; }
  uint64_t gaps_left_off() const { return gaps_left_off_; }
  uint64_t in_flight() const { return in_flight_; }

 private:
  // False for another domain.
  bool TakeLeg(const AuditedSlot& slot, const AuditedSlot::Leg& leg);
  void AddGap(AuditGap::Kind kind, uint32_t begin, uint32_t end);

  AuditPlan plan_;
  std::string domain_;
  uint32_t next_;
  std::map<std::string, DomainBooks> domains_;  // by name; "": not known
  std::vector<AuditGap> gaps_;
  uint64_t gaps_left_off_ = 0;
  uint64_t in_flight_ = 0;
};

}  // namespace fermo::node
