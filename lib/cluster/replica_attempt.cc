// Announcements: before a final dot, W holders know which legs are on their
// way, so that nobody who takes over repeats them blindly.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lib/cluster/attempt_codec.h"
#include "lib/cluster/replica.h"

namespace fermo::cluster {

// Notes the announcement, and writes it down unless it renews the one that is
// noted. A later owner's takes the place of an earlier one's, which was over when
// the later one began; of what is over there is none.
void Replica::Hear(Segment& segment, Seq seq, HeardAttempt heard) {
  if (Contains(segment.finished, seq) || Contains(segment.aborted, seq)) return;
  HeardAttempt& known = segment.heard[seq];
  if (known.epoch > heard.epoch) return;
  const bool same = known.owner == heard.owner && known.owner_boot == heard.owner_boot;
  const bool renewed = same && known.epoch == heard.epoch;
  if (same) heard.until = std::max(heard.until, known.until);
  known = heard;
  if (renewed) return;
  Write({spool::PutMeta{AttemptKey({segment.record.id, seq}), EncodeAttempt(heard)}});
}

std::vector<InFlight> Replica::UnderWay(const Segment& segment) const {
  std::vector<InFlight> in_flight;
  for (const auto& [seq, heard] : segment.heard) {
    if (heard.until <= now_) continue;
    in_flight.push_back({seq, heard.until - now_, heard.owner, heard.owner_boot, heard.epoch});
  }
  return in_flight;
}

// --- The owner

void Replica::On(const BeginAttempt& event) {
  Segment* segment = FindSegment(event.message.segment);
  const Seq seq = event.message.seq;
  const bool fenced =
      segment == nullptr || (segment->owner && segment->promised > segment->record.epoch);
  const bool committing = segment != nullptr && segment->owner && segment->owner->repair &&
                          segment->owner->repair->committing;
  if (segment != nullptr && (Contains(segment->finished, seq) || segment->AllOutcomesKnown(seq))) {
    AddNote("attempt_suppressed", *segment);
  }
  if (fenced || committing || (!segment->owner && !segment->survivor) ||
      segment->flying.contains(seq) || !Contains(segment->held, seq) ||
      segment->AllOutcomesKnown(seq)) {
    out_.push_back(AttemptStopped{event.message});
    return;
  }
  auto known = segment->outcomes.find(seq);
  if (known != segment->outcomes.end()) {
    std::vector<uint32_t> settled;
    for (uint32_t leg : event.legs) {
      if (known->second.contains(leg)) settled.push_back(leg);
    }
    if (!settled.empty()) {  // delivery had not heard of it yet
      AddNote("attempt_suppressed", *segment);
      out_.push_back(LegsSettled{event.message, std::move(settled)});
      out_.push_back(AttemptStopped{event.message});
      return;
    }
  }
  segment->flying[seq] = segment->owner ? segment->owner->tenure : segment->survivor->tenure;
  Attempt& attempt =
      segment->owner ? segment->owner->attempts[seq] : segment->survivor->attempts[seq];
  attempt = Attempt{};
  attempt.legs = event.legs;
  attempt.started = now_;
  AnnounceAttempt(*segment, seq, attempt);
}

// At the start of an attempt and again while it goes on, so that a holder's
// grace always covers the wait for the reply to a final dot.
void Replica::AnnounceAttempt(Segment& segment, Seq seq, Attempt& attempt) {
  const MessageId id{segment.record.id, seq};
  attempt.round = now_;
  attempt.acknowledged = {options_.self};
  // A promise of ours must name it.
  Hear(segment, seq, {options_.self, options_.boot, segment.record.epoch, now_ + options_.grace});
  for (NodeId node : segment.record.Everybody()) {
    if (node == options_.self || !peers_[node].control) continue;
    Tell(node, Announce{id.segment, segment.record.epoch, seq, attempt.legs});
  }
  MaybeClear(segment, seq, attempt);
}

void Replica::MaybeClear(Segment& segment, Seq seq, Attempt& attempt) {
  const auto& record = segment.record;
  const auto counts = [&](NodeId node) { return record.HasHolder(node) && !IsEvicted(node); };
  const auto copies =
      std::count_if(attempt.acknowledged.begin(), attempt.acknowledged.end(), counts);
  if (!segment.survivor && copies < CopiesNeeded(record)) return;
  attempt.fresh = attempt.round;
  if (attempt.cleared) return;
  attempt.cleared = true;
  out_.push_back(AttemptCleared{{segment.record.id, seq}});
}

void Replica::Receive(NodeId from, uint32_t, const AnnounceAnswer& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr || (!segment->owner && !segment->survivor)) return;
  if (!message.known.empty()) LearnOutcomes(*segment, message.known, from);
  auto& attempts = segment->owner ? segment->owner->attempts : segment->survivor->attempts;
  auto it = attempts.find(message.seq);
  if (it == attempts.end() || message.epoch != segment->record.epoch) return;
  Attempt& attempt = it->second;
  if (!message.known.empty()) {
    // Once for all who know, and only if the dot cannot have gone yet.
    if (!attempt.cleared && !attempt.suppressed) AddNote("attempt_suppressed", *segment, from);
    attempt.suppressed = true;
    out_.push_back(AttemptStopped{{message.segment, message.seq}});
    return;
  }
  const auto& acks = attempt.acknowledged;
  if (message.refused || std::find(acks.begin(), acks.end(), from) != acks.end()) return;
  attempt.acknowledged.push_back(from);
  MaybeClear(*segment, message.seq, attempt);
}

// Attempts that W holders don't acknowledge in time end before their dot.
void Replica::TickAttempts(Segment& segment) {
  std::vector<Seq> over;
  for (const auto& [seq, heard] : segment.heard) {
    if (heard.until <= now_) over.push_back(seq);
  }
  for (Seq seq : over) ForgetHeard(segment, seq);
  if (!segment.owner && !segment.survivor) return;
  auto& attempts = segment.owner ? segment.owner->attempts : segment.survivor->attempts;
  for (auto& [seq, attempt] : attempts) {
    if (now_ - attempt.round >= options_.announce_again) AnnounceAttempt(segment, seq, attempt);
    if (attempt.cleared || now_ - attempt.started < options_.announce_timeout) continue;
    attempt.started = now_;
    out_.push_back(AttemptStopped{{segment.record.id, seq}});
  }
}

void Replica::On(const EndAttempt& event) {
  Segment* segment = FindSegment(event.message.segment);
  if (segment == nullptr) return;
  const Seq seq = event.message.seq;
  std::vector<spool::LegOutcome> outcomes = event.outcomes;
  for (spool::LegOutcome& outcome : outcomes) {
    outcome.seq = seq;
    outcome.epoch = segment->record.epoch;
    outcome.node = options_.self;
  }
  if (segment->owner) segment->owner->attempts.erase(seq);
  if (segment->survivor) {
    segment->survivor->attempts.erase(seq);
    const auto delivered =
        std::count_if(outcomes.begin(), outcomes.end(), [](const spool::LegOutcome& outcome) {
          return outcome.outcome == spool::Outcome::kDelivered;
        });
    if (delivered > 0) AddNote("last_survivor_delivered", *segment, {}, delivered);
  }
  const auto flight = segment->flying.extract(seq);
  if (!outcomes.empty()) LearnOutcomes(*segment, outcomes, options_.self);
  if (segment->AllOutcomesKnown(seq)) return;  // the mark goes with the message
  const auto mark = segment->heard.find(seq);
  const bool ours = mark != segment->heard.end() && mark->second.owner == options_.self;
  if (ours) ForgetHeard(*segment, seq);
  // It began under an ownership that was lost, and delivery has forgotten it.
  const auto began_before = [&](uint64_t tenure) {
    return !flight.empty() && flight.mapped() != tenure;
  };
  if (segment->owner && began_before(segment->owner->tenure)) Offer(*segment, {seq});
  if (segment->survivor && began_before(segment->survivor->tenure)) OfferAlone(*segment, {seq});
  for (NodeId holder : segment->record.Everybody()) {
    if (holder == options_.self || !peers_[holder].control) continue;
    Tell(holder, Withdraw{event.message.segment, segment->record.epoch, seq, outcomes});
  }
}

void Replica::StopAttempts(Segment& segment) {
  if (!segment.owner) return;
  for (const auto& [seq, attempt] : segment.owner->attempts) {
    out_.push_back(AttemptStopped{{segment.record.id, seq}});
  }
}

void Replica::SettleAll(const MessageId& message) {
  out_.push_back(AttemptStopped{message});
  out_.push_back(LegsSettled{message, {}});
}

// --- The holder

void Replica::Receive(NodeId from, uint32_t boot, const Announce& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr || segment->closed) return;
  const bool refused = segment->promised > message.epoch || segment->record.epoch > message.epoch;
  if (!refused) Hear(*segment, message.seq, {from, boot, message.epoch, now_ + options_.grace});
  // Behind that write: a holder that dies must not have acknowledged what it forgets.
  Write({}, spool::Durability::kUnsynced, AnnouncedFor{from, message});
}

void Replica::Done(const AnnouncedFor& done) {
  const Announce& message = done.announcement;
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr || segment->closed) return;
  AnnounceAnswer answer{message.segment, message.epoch, message.seq, false, {}};
  answer.refused = segment->promised > message.epoch || segment->record.epoch > message.epoch;
  answer.known = KnownOutcomes(*segment, message);
  Tell(done.peer, std::move(answer), true);
}

// Of the legs that are announced; all of them when the message is finished here.
std::vector<spool::LegOutcome> Replica::KnownOutcomes(const Segment& segment,
                                                      const Announce& message) const {
  std::vector<spool::LegOutcome> outcomes;
  const bool finished = Contains(segment.finished, message.seq);
  const auto odd = segment.odd.find(message.seq);
  const auto known = segment.outcomes.find(message.seq);
  for (uint32_t leg : message.legs) {
    if (finished) {
      const bool has = odd != segment.odd.end() && leg < odd->second.size();
      spool::LegOutcome& outcome = outcomes.emplace_back();
      outcome.seq = message.seq;
      outcome.leg = leg;
      outcome.outcome = has ? odd->second[leg] : spool::Outcome::kDelivered;
      outcome.epoch = segment.record.epoch;
      outcome.node = options_.self;
    } else if (known != segment.outcomes.end() && known->second.contains(leg)) {
      outcomes.push_back(known->second.at(leg));
    }
  }
  return outcomes;
}

// The old owner's attempt is over, and left legs without an outcome.
void Replica::Receive(NodeId from, uint32_t, const Withdraw& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr || segment->closed) return;
  LearnOutcomes(*segment, message.outcomes, from);
  auto heard = segment->heard.find(message.seq);
  if (heard != segment->heard.end() && heard->second.owner == from) {
    ForgetHeard(*segment, message.seq);
  }
  if (!segment->owner) return;
  auto wait = segment->owner->waits.find(message.seq);
  if (wait == segment->owner->waits.end() || wait->second.owner != from) return;
  segment->owner->waits.erase(wait);
  Offer(*segment, {message.seq});
}

void Replica::ForgetHeard(Segment& segment, Seq seq) {
  if (segment.heard.erase(seq) == 0) return;
  Write({spool::DeleteMeta{AttemptKey({segment.record.id, seq})}});
}

// A process that shows a new boot delivers nothing of its earlier boot.
void Replica::ReleaseWaits(NodeId old_owner, uint32_t new_boot) {
  for (auto& [id, segment] : segments_) {
    std::vector<Seq> over;
    for (const auto& [seq, heard] : segment.heard) {
      if (heard.owner == old_owner && heard.owner_boot < new_boot) over.push_back(seq);
    }
    for (Seq seq : over) ForgetHeard(segment, seq);
    if (!segment.owner) continue;
    std::vector<Seq> free;
    for (const auto& [seq, wait] : segment.owner->waits) {
      if (wait.owner == old_owner && wait.owner_boot < new_boot) free.push_back(seq);
    }
    for (Seq seq : free) segment.owner->waits.erase(seq);
    if (!free.empty()) Offer(segment, free);
  }
}

}  // namespace fermo::cluster
