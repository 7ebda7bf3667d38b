#include "tests/sim/oracle.h"

#include <algorithm>

#include "fmt/format.h"

namespace fermo::sim {

void Oracle::Fail(Instant now, std::string_view invariant, const std::string& what) {
  history_.Add(now, "VIOLATION of {}: {}", invariant, what);
  violations_.push_back(fmt::format("{}: {}", invariant, what));
}

void Oracle::Uploading(uint64_t token, uint64_t mail, uint32_t legs,
                       std::vector<std::string> regions) {
  sent_[token] = {mail, legs, false, std::move(regions)};
}

void Oracle::CopyStored(Instant now, int node, const MessageId& id, std::string_view record) {
  const auto message = spool::DecodeMessageRecord(record);
  const auto sent = message.ok() ? sent_.find(message->token) : sent_.end();
  if (sent == sent_.end() || sent->second.regions.empty()) return;
  const auto& regions = sent->second.regions;
  if (std::find(regions.begin(), regions.end(), cluster_.region(node)) != regions.end()) return;
  Fail(now, "I11 residency",
       fmt::format("node {} in {} has a copy of {}", node, cluster_.region(node), ToString(id)));
}

// Copies whose write was synced.
uint32_t Oracle::HoldersOf(const MessageId& id, std::set<std::string>* regions) const {
  uint32_t copies = 0;
  for (int node = 0; node < cluster_.size(); ++node) {
    const SimDisk& disk = cluster_.disk(node);
    bool has = disk.durable().Holds(id) || disk.durable().Finished(id);
    // A disk that was lost between its word and the 250.
    for (const test::VirtualDisk& lost : disk.lost()) has = has || lost.Holds(id);
    if (!has) continue;
    ++copies;
    regions->insert(cluster_.region(node));
  }
  return copies;
}

void Oracle::Verdict(Instant now, uint64_t token, const MessageId& id, bool accepted) {
  Sent& sent = sent_.at(token);
  if (std::exchange(sent.answered, true)) {
    Fail(now, "I8 one-verdict", fmt::format("upload {} was answered twice", token));
  }
  if (accepted) Accepted(now, token, id);
}

void Oracle::Accepted(Instant now, uint64_t token, const MessageId& id) {
  accepted_[id] = token;
  if (IsDelivered(sent_.at(token))) return;  // the verdict came late
  std::set<std::string> regions;
  const uint32_t copies = HoldersOf(id, &regions);
  if (copies >= options_.write_copies && regions.size() >= options_.min_regions) return;
  Fail(now, "I3 durable-250",
       fmt::format("{} was answered 250 with {} copies in {} regions", ToString(id), copies,
                   regions.size()));
}

void Oracle::TookOver(Instant now, int node, const SegmentId& segment, Epoch epoch) {
  const NodeId id = cluster_.id(node);
  const auto [known, first] = owners_.emplace(std::pair(segment, epoch), id);
  if (first || known->second == id) return;
  // With an evicted node's disk its epoch may be gone, too.
  if (cluster_.evicted(known->second)) {
    known->second = id;
    return;
  }
  Fail(now, "I5 one-owner",
       fmt::format("nodes {} and {} both own {} at epoch {}", IndexOf(known->second), node,
                   ToString(segment), epoch.value()));
}

bool Oracle::OutcomeOn(uint32_t copies, const MessageId& id, uint32_t leg) const {
  uint32_t knowing = 0;
  for (int node = 0; node < cluster_.size(); ++node) {
    const SimDisk& disk = cluster_.disk(node);
    // Who has it as aborted never delivers it either.
    bool knows = disk.live().KnowsOutcome(id, leg) || disk.live().Aborted(id);
    for (const test::VirtualDisk& lost : disk.lost()) {
      knows = knows || lost.KnowsOutcome(id, leg) || lost.Aborted(id);
    }
    knowing += knows ? 1 : 0;
  }
  return knowing >= copies;
}

// W, or as many holders as are not evicted.
uint32_t Oracle::Needed(const MessageId& id) const {
  const cluster::SegmentRecord* newest = nullptr;  // who drops it may not have heard of it
  for (int node = 0; node < cluster_.size(); ++node) {
    const auto& segments = cluster_.disk(node).live().segments();
    const auto segment = segments.find(id.segment);
    if (segment == segments.end()) continue;
    const cluster::SegmentRecord& record = segment->second.stored.record;
    if (newest == nullptr || record.epoch > newest->epoch) newest = &record;
  }
  if (newest == nullptr) return options_.write_copies;
  uint32_t left = 0;
  for (NodeId holder : newest->holders) left += cluster_.evicted(holder) ? 0 : 1;
  return std::max(1u, std::min(left, options_.write_copies));
}

bool Oracle::IsDelivered(const Sent& sent) const {
  for (uint32_t leg = 0; leg < sent.legs; ++leg) {
    if (!copies_.contains({sent.mail, leg})) return false;
  }
  return true;
}

// Another node still has the mail, and this one alone knows that it was delivered.
bool Oracle::AloneKnowsEnd(int node, const MessageId& id) const {
  bool held = false;
  for (int other = 0; other < cluster_.size(); ++other) {
    const test::VirtualDisk& disk = cluster_.disk(other).durable();
    if (other == node || cluster_.evicted(cluster_.id(other))) continue;
    held = held || disk.Holds(id);
    if (disk.Finished(id)) return false;
  }
  const test::VirtualDisk& own = cluster_.disk(node).live();
  for (uint32_t leg = 0; held && leg < sent_.at(accepted_.at(id)).legs; ++leg) {
    bool elsewhere = false;
    for (int other = 0; other < cluster_.size(); ++other) {
      const test::VirtualDisk& disk = cluster_.disk(other).durable();
      const bool counts = other != node && !cluster_.evicted(cluster_.id(other));
      elsewhere = elsewhere || (counts && disk.KnowsOutcome(id, leg));
    }
    if (own.KnowsOutcome(id, leg) && !elsewhere) return true;
  }
  return false;
}

// By the latest list that any disk has: one that was replaced may not know it yet.
bool Oracle::IsHolder(int node, const SegmentId& id) const {
  const cluster::SegmentRecord* latest = nullptr;
  for (int other = 0; other < cluster_.size(); ++other) {
    const auto& segments = cluster_.disk(other).live().segments();
    const auto known = segments.find(id);
    if (known == segments.end()) continue;
    const cluster::SegmentRecord& record = known->second.stored.record;
    if (latest == nullptr || record.epoch > latest->epoch) latest = &record;
  }
  return latest != nullptr && latest->HasHolder(cluster_.id(node));
}

// Another holder of the committed list has the mail on its disk.
bool Oracle::HasElsewhere(int node, const MessageId& id, int believed) const {
  const auto counts = [&](const test::VirtualDisk& disk, int other) {
    if (!disk.Holds(id)) return false;
    const auto segment = disk.segments().find(id.segment);
    return segment != disk.segments().end() &&
           segment->second.stored.record.HasHolder(cluster_.id(other));
  };
  for (int other = 0; other < cluster_.size(); ++other) {
    if (other == node || cluster_.evicted(cluster_.id(other))) continue;
    if (cluster_.disk(other).durable().Holds(id) && IsHolder(other, id.segment)) return true;
    if (other != believed) continue;
    const auto& now = cluster_.disk(other).durable().segments();
    const auto known = now.find(id.segment);
    const bool replaced =
        known != now.end() && !known->second.stored.record.HasHolder(cluster_.id(other));
    if (replaced) continue;  // it has handed over since
    for (const test::VirtualDisk& lost : cluster_.disk(other).lost()) {
      if (counts(lost, other)) return true;
    }
  }
  return false;
}

bool Oracle::MayLose(int node, int believed) const {
  for (const auto& [id, token] : accepted_) {
    if (AloneKnowsEnd(node, id)) return true;
    if (!cluster_.disk(node).live().Holds(id) || IsDelivered(sent_.at(token))) continue;
    if (!HasElsewhere(node, id, believed)) return true;
  }
  return false;
}

// W disks know it as they are, and not as they were before one lied or was lost.
bool Oracle::KnownNow(const MessageId& id, uint32_t leg) const {
  uint32_t knowing = 0;
  for (int node = 0; node < cluster_.size(); ++node) {
    const test::VirtualDisk& disk = cluster_.disk(node).live();
    knowing += disk.KnowsOutcome(id, leg) || disk.Aborted(id) ? 1 : 0;
  }
  return knowing >= options_.write_copies;
}

void Oracle::DiskLied(const test::VirtualDisk& before, const test::VirtualDisk& after) {
  for (const auto& [id, segment] : after.segments()) {
    if (before.segments().contains(id)) continue;
    // Forgotten everywhere, and back: its epochs begin anew.
    std::erase_if(owners_, [id = id](const auto& owner) { return owner.first.first == id; });
  }
  for (const auto& [mail_and_leg, copies] : copies_) {
    const uint32_t leg = mail_and_leg.second;
    for (const Copy& copy : copies) {
      const bool back = after.Holds(copy.id) && !before.Holds(copy.id);
      const bool knew = before.KnowsOutcome(copy.id, leg) && !after.KnowsOutcome(copy.id, leg);
      if (back || (knew && !KnownNow(copy.id, leg))) forgotten_.insert({copy.id, leg});
    }
  }
}

void Oracle::AttemptBegins(Instant now, int node, const MessageId& id,
                           const std::vector<uint32_t>& legs) {
  const bool known =
      std::all_of(legs.begin(), legs.end(), [&](uint32_t leg) { return OutcomeOnW(id, leg); });
  trying_[{node, id}] = {now, node, known};
  trying_legs_[{node, id}] = legs;
}

void Oracle::AttemptEnds(int node, const MessageId& id, bool with_outcomes) {
  if (with_outcomes) return;  // until W know it, its owner's death may double it
  trying_legs_.erase({node, id});
}

void Oracle::NodeStops(Instant, int node) {
  auto it = trying_legs_.lower_bound({node, MessageId{}});
  while (it != trying_legs_.end() && it->first.first == node) {
    for (uint32_t leg : it->second) {
      if (!OutcomeOnW(it->first.second, leg)) owner_died_.insert({it->first.second, leg});
    }
    it = trying_legs_.erase(it);
  }
}

void Oracle::BodyGoes(Instant now, int node, const MessageId& id) {
  const Bytes* octets = cluster_.disk(node).live().Record(id);
  if (octets == nullptr) return;  // another mark, or an append that was overtaken
  if (cluster_.evicted(cluster_.id(node))) return;
  const auto record = spool::DecodeMessageRecord(**octets);
  if (!record.ok()) return;
  const auto& segments = cluster_.disk(node).live().segments();
  const auto segment = segments.find(id.segment);
  const bool counts =
      segment != segments.end() && segment->second.stored.record.HasHolder(cluster_.id(node));
  if (!counts) return;  // a copy that no list names
  for (uint32_t leg = 0; leg < record->envelope.forward_paths.size(); ++leg) {
    if (OutcomeOn(Needed(id), id, leg) || forgotten_.contains({id, leg})) continue;
    Fail(now, "I10 kept",
         fmt::format("node {} drops the body of {} while fewer than W know the "
                     "outcome of leg {}",
                     node, ToString(id), leg));
  }
}

void Oracle::Unreadable(Instant now, int node, const MessageId& id) {
  Fail(now, "I2 no-invention",
       fmt::format("node {} may deliver {}, but its disk lacks a part of it", node, ToString(id)));
}

void Oracle::DotLeaves(Instant now, int node, const MessageId& id,
                       const std::vector<uint32_t>& legs, Epoch epoch, bool alone) {
  const test::VirtualDisk& own = cluster_.disk(node).live();
  if (own.Aborted(id)) {
    Fail(now, "I4 no-known-dot",
         fmt::format("node {} delivers {}, which its own disk has as aborted", node, ToString(id)));
  }
  for (uint32_t leg : legs) {
    if (!own.KnowsOutcome(id, leg)) continue;
    Fail(now, "I4 no-known-dot",
         fmt::format("node {} delivers leg {} of {}, whose outcome its own disk has", node, leg,
                     ToString(id)));
  }
  if (!alone && !cluster_.HasLeases(node, id.segment)) {
    Fail(now, "I5 one-owner",
         fmt::format("node {} sends the final dot of {} without W valid leases", node,
                     ToString(id)));
  }
  for (int other = 0; other < cluster_.size(); ++other) {
    if (alone || other == node || !cluster_.Owns(other, id.segment, epoch)) continue;
    Fail(now, "I5 one-owner",
         fmt::format("node {} sends the final dot of {} while node {} owns its segment", node,
                     ToString(id), other));
  }
}

void Oracle::Delivered(Instant now, int node, const MessageId& id, uint64_t token, uint32_t leg) {
  auto sent = sent_.find(token);
  if (sent == sent_.end() || leg >= sent->second.legs) {
    Fail(now, "I2 no-invention", fmt::format("{} was never sent", ToString(id)));
    return;
  }
  std::vector<Copy>& copies = copies_[{sent->second.mail, leg}];
  copies.push_back({id, trying_[{node, id}]});
  if (copies.size() == 1) return;
  ++duplicates_;
  if (Explained(sent->second.mail, leg, copies.front(), copies.back())) return;
  Fail(now, "I6 no-duplicate",
       fmt::format("leg {} of mail {} reached the primary as {} by node {} and as {} by node {}",
                   leg, sent->second.mail, ToString(copies.front().id), copies.front().attempt.node,
                   ToString(id), node));
}

bool Oracle::Explained(uint64_t mail, uint32_t leg, const Copy& first, const Copy& later) const {
  if (!options_.faults) return false;
  if (first.id != later.id) return retried_.contains(mail);  // D1
  if (reply_lost_.contains({first.id, leg})) return true;    // D2
  if (owner_died_.contains({first.id, leg})) return true;    // D3
  if (forgotten_.contains({first.id, leg})) return true;     // D3: W knew, and a disk lied
  if (alone_.contains(first.id.segment)) return true;        // D4
  // D3, too: the first owner was held up for longer than the grace.
  const Duration grace = options_.grace - options_.grace / 50;
  return later.attempt.begun - first.attempt.begun >= grace && !later.attempt.known_before;
}

void Oracle::ReplyLost(const MessageId& id, const std::vector<uint32_t>& legs) {
  for (uint32_t leg : legs) reply_lost_.insert({id, leg});
}

bool Oracle::AllDelivered() const {
  return std::all_of(accepted_.begin(), accepted_.end(), [this](const auto& accepted) {
    return IsDelivered(sent_.at(accepted.second));
  });
}

void Oracle::Judge(Instant now, bool in_time) {
  for (const auto& [id, token] : accepted_) {
    const Sent& sent = sent_.at(token);
    for (uint32_t leg = 0; leg < sent.legs; ++leg) {
      auto copies = copies_.find({sent.mail, leg});
      if (copies != copies_.end()) continue;
      Fail(now, "I1 no-loss",
           fmt::format("leg {} of {} was answered 250 and never delivered", leg, ToString(id)));
    }
  }
  if (!in_time) Fail(now, "I9 live", "mail or segments are left when the time after healing is up");
  for (int node = 0; in_time && node < cluster_.size(); ++node) {
    if (cluster_.disk(node).live().Empty()) continue;
    Fail(now, "I7 converged", fmt::format("node {} still keeps segments or marks", node));
  }
}

}  // namespace fermo::sim
