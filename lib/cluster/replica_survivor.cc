// The last survivor: with too few holders reachable for an owner to be made,
// one delivers alone after a long time (design section 4). It gets no epoch,
// repairs nothing and drops nothing, and it stops when a quorum is reachable
// again. It may deliver twice, it never loses.
#include <algorithm>

#include "lib/cluster/replica.h"

namespace fermo::cluster {

// Whether neither an owner nor a claim can be had, and we come first among
// those that can still be reached.
bool Replica::IsLonely(const Segment& segment) const {
  const SegmentRecord& record = segment.record;
  if (!record.HasHolder(options_.self) || IsEvicted(options_.self)) return false;
  const auto reachable = [&](NodeId node) { return !IsEvicted(node) && IsLive(node, now_); };
  const auto few = [&](const std::vector<NodeId>& list, uint32_t needed) {
    return std::count_if(list.begin(), list.end(), reachable) < needed;
  };
  const bool no_quorum =
      few(record.holders, std::max(PromisesNeeded(record, record.holders), CopiesNeeded(record))) ||
      (record.next_epoch != Epoch() &&
       few(record.next_holders, PromisesNeeded(record, record.next_holders)));
  // What is left of a list claims once every member has told it what it knows.
  const bool untold = IsRemnant(record) && !segment.owner && segment.lease_until <= now_ &&
                      std::any_of(snapshot_.members.begin(), snapshot_.members.end(),
                                  [&](const Member& member) { return !reachable(member.node); });
  const auto first = std::find_if(record.holders.begin(), record.holders.end(), reachable);
  return (no_quorum || untold) && first != record.holders.end() && *first == options_.self;
}

void Replica::TickSurvivor(Segment& segment) {
  if (segment.closed || segment.held.isEmpty() || !IsLonely(segment)) {
    segment.lonely_since = Instant{};
    StopSurviving(segment);
    return;
  }
  if (segment.lonely_since == Instant{}) segment.lonely_since = now_;
  if (segment.survivor && segment.survivor->until <= now_) StopSurviving(segment);
  if (now_ - segment.lonely_since < options_.orphan_after) return;
  if (now_ < segment.next_survivor_ask || segment.lease_until > now_) return;
  segment.next_survivor_ask = now_ + options_.lease / 3;
  out_.push_back(AskToSurvive{segment.record.id});
}

void Replica::On(const SurvivorVerdict& event) {
  Segment* segment = FindSegment(event.segment);
  if (segment == nullptr || segment->closed || segment->lonely_since == Instant{}) return;
  if (event.kind == SurvivorVerdict::Kind::kRefused) {
    StopSurviving(*segment);
    return;
  }
  if (!segment->survivor) StartSurviving(*segment);
  segment->survivor->until = now_ + options_.lease;
}

void Replica::StartSurviving(Segment& segment) {
  if (segment.owner) LoseOwnership(segment);
  segment.survivor = std::make_unique<SurvivorState>();
  segment.survivor->tenure = next_tenure_++;
  AddNote("last_survivor", segment, {}, segment.held.cardinality());
  std::vector<Seq> live;
  for (uint32_t seq : segment.held) live.push_back(Seq(seq));
  OfferAlone(segment, live);
}

// To delivery, with what they wait for: an announcement of a lost owner.
void Replica::OfferAlone(Segment& segment, const std::vector<Seq>& seqs) {
  TakeOver offer{segment.record.id, {}};
  for (Seq seq : seqs) {
    if (!Contains(segment.held, seq) || segment.AllOutcomesKnown(seq)) continue;
    // Our own attempt of an earlier ownership has not ended yet; then.
    if (segment.flying.contains(seq)) continue;
    OwnedMessage message{seq, now_, {}};
    if (options_.machine_restarted_at != Instant{}) {
      message.not_before =
          std::max(message.not_before, options_.machine_restarted_at + options_.grace);
    }
    auto heard = segment.heard.find(seq);
    const bool others = heard != segment.heard.end() && heard->second.owner != options_.self;
    if (others) message.not_before = std::max(message.not_before, heard->second.until);
    auto known = segment.outcomes.find(seq);
    if (known != segment.outcomes.end()) {
      for (const auto& [leg, outcome] : known->second) message.done_legs.push_back(leg);
    }
    offer.messages.push_back(std::move(message));
  }
  if (!offer.messages.empty()) out_.push_back(std::move(offer));
}

void Replica::StopSurviving(Segment& segment) {
  if (!segment.survivor) return;
  AddNote("last_survivor_stops", segment);
  for (const auto& [seq, attempt] : segment.survivor->attempts) {
    out_.push_back(AttemptStopped{{segment.record.id, seq}});
  }
  segment.survivor.reset();
  out_.push_back(SegmentLost{segment.record.id});
}

}  // namespace fermo::cluster
