#include "lib/cluster/replica.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fermo::cluster {
namespace {

Segment Restore(RecoveredSegment&& from) {
  Segment segment;
  segment.record = std::move(from.stored.record);
  segment.promised = from.stored.promised;
  segment.promised_to = from.stored.promised_to;
  segment.closed = segment.closed_stored = from.stored.closed;
  segment.stored = true;
  segment.held = std::move(from.held);
  segment.aborted = std::move(from.aborted);
  segment.finished = std::move(from.finished);
  segment.odd = std::move(from.odd);
  segment.shapes = std::move(from.shapes);
  segment.heard = std::move(from.heard);
  for (spool::LegOutcome& outcome : from.outcomes) {
    if (!Contains(segment.finished, outcome.seq) && !Contains(segment.aborted, outcome.seq)) {
      segment.outcomes[outcome.seq][outcome.leg] = std::move(outcome);
    }
  }
  if (segment.closed) {
    // Both were checked when the record was decoded.
    segment.finished = FromRanges(from.stored.finished_ranges).value_or(SeqSet());
    segment.aborted = FromRanges(from.stored.aborted_ranges).value_or(SeqSet());
  }
  return segment;
}

}  // namespace

Replica::Replica(ReplicaOptions options, Snapshot snapshot, std::vector<RecoveredSegment> recovered,
                 Instant now)
    : options_(options),
      started_(now),
      snapshot_(std::move(snapshot)),
      evicted_(snapshot_.evicted.begin(), snapshot_.evicted.end()),
      random_(options.seed),
      // A first boot has granted nothing that it could have forgotten.
      silent_until_(options.boot == 1 && recovered.empty()
                        ? now
                        : now + options.lease + options.lease * 3 / 100),
      last_synced_(now),
      knows_all_(!options.suspect) {
  now_ = now;
  for (RecoveredSegment& segment : recovered) {
    SegmentId id = segment.stored.record.id;
    // What a suspect node had aborted it may have forgotten, and then recognises nothing.
    if (id.writer == options_.self && !options_.suspect) {
      for (const auto& [token, seq] : segment.tokens) Remember(token, MessageId{id, seq});
    }
    Segment& restored = segments_.emplace(id, Restore(std::move(segment))).first->second;
    restored.last_named = now;
    if (options_.suspect) Suspect(restored);
  }
}

Actions Replica::Step(const Event& event, Instant now) {
  now_ = now;
  std::visit([this](const auto& e) { On(e); }, event);
  return std::exchange(out_, {});
}

void Replica::On(const Tick&) {
  if (now_ >= next_heartbeat_) {
    next_heartbeat_ = now_ + options_.heartbeat_every;
    SendHeartbeats();
    // Proves to ourselves that the disk still takes synced writes.
    if (now_ - last_synced_ >= options_.heartbeat_every) WriteSynced({}, SyncMark{});
    std::erase_if(forgotten_, [this](const auto& entry) {
      return now_ - entry.second >= kRememberForLateMail;
    });
  }
  TickResolving();
  knows_all_ = !MayHaveForgotten(now_);
  std::vector<SegmentId> ids;  // a step may erase or add segments
  ids.reserve(segments_.size());
  for (const auto& [id, segment] : segments_) ids.push_back(id);
  for (const SegmentId& id : ids) {
    if (Segment* segment = FindSegment(id)) TickWriter(*segment);
    if (Segment* segment = FindSegment(id)) TickAttempts(*segment);
    if (Segment* segment = FindSegment(id)) TickClaim(*segment);
    if (Segment* segment = FindSegment(id)) TickSurvivor(*segment);
    if (Segment* segment = FindSegment(id)) TickSync(*segment);
    if (Segment* segment = FindSegment(id)) TickSuspect(*segment);
    if (Segment* segment = FindSegment(id)) TickRepair(*segment);
    if (Segment* segment = FindSegment(id)) TickStray(*segment);
    if (Segment* segment = FindSegment(id)) TickClose(*segment);
  }
}

void Replica::On(const SnapshotChanged& event) {
  std::set<NodeId> news;
  for (NodeId node : event.snapshot.evicted) {
    if (evicted_.insert(node).second) news.insert(node);
  }
  if (event.snapshot.generation >= snapshot_.generation) snapshot_ = event.snapshot;
  if (!Accepting()) SealAll();
  if (news.empty()) return;
  for (auto& [id, segment] : segments_) {
    const std::vector<NodeId> holders = segment.record.Everybody();
    const bool concerned = std::any_of(holders.begin(), holders.end(),
                                       [&](NodeId node) { return news.contains(node); });
    // Cut off, it may have been replaced by those who left since: as any remnant it
    // asks every member before it goes on.
    if (concerned && !segment.closed && IsRemnant(segment.record)) {
      if (segment.owner) LoseOwnership(segment);
      segment.claim.reset();
    }
    if (segment.owner) {
      RefreshViews(segment);
      std::vector<Seq> live;  // fewer need to know of their end now
      for (uint32_t seq : segment.held) live.push_back(Seq(seq));
      MaybeFinish(segment, live);
    }
    if (segment.closer) segment.closer->forget_sent = false;
  }
}

void Replica::On(const PeerUp& event) {
  Peer& peer = peers_[event.peer];
  peer.boot = std::max(peer.boot, event.boot);
  peer.last_heard = now_;
  (event.channel == Channel::kControl ? peer.control : peer.data) = true;
  if (event.channel == Channel::kControl) {
    ReleaseWaits(event.peer, event.boot);
    SendHeartbeat(event.peer, peer);
    return;
  }
  peer.lags_until = Instant{};
  for (auto& [id, segment] : segments_) {
    if (segment.record.owner == event.peer) PassOnOutcomes(segment);
    if (!segment.owner) continue;
    HolderView* view = segment.owner->Find(event.peer);
    if (view != nullptr) StartSync(segment, *view);
  }
}

void Replica::On(const PeerDown& event) {
  Peer& peer = peers_[event.peer];
  (event.channel == Channel::kControl ? peer.control : peer.data) = false;
  peer.down_since = now_;
  if (event.channel == Channel::kControl) {
    peer.asked.clear();
    return;
  }
  for (auto& [id, segment] : segments_) {
    if (!segment.owner) continue;
    if (HolderView* view = segment.owner->Find(event.peer)) {
      view->synced = false;
      view->syncing = false;
    }
  }
}

// What an evicted node says counts for nothing: it may not know that it is one.
void Replica::On(const ControlReceived& event) {
  if (IsEvicted(event.from) || IsEvicted(options_.self)) return;
  Peer& peer = peers_[event.from];
  peer.last_heard = now_;
  if (event.boot > peer.boot) {
    peer.boot = event.boot;
    ReleaseWaits(event.from, event.boot);
  }
  std::visit([&](const auto& message) { Receive(event.from, event.boot, message); }, event.message);
}

void Replica::On(const DataReceived& event) {
  if (IsEvicted(event.from) || IsEvicted(options_.self)) return;
  std::visit([&](const auto& message) { Receive(event.from, message); }, event.message);
}

void Replica::On(const Persisted& event) {
  auto it = waiting_.find(event.token);
  if (it == waiting_.end()) return;
  Continuation then = std::move(it->second);
  waiting_.erase(it);
  if (!std::holds_alternative<AnnouncedFor>(then)) last_synced_ = now_;
  std::visit([this](const auto& done) { Done(done); }, then);
}

bool Replica::IsLive(NodeId node, Instant now) const {
  if (node == options_.self) return true;
  auto it = peers_.find(node);
  if (it == peers_.end()) return false;
  const Peer& peer = it->second;
  return peer.control && peer.data && peer.last_heard &&
         now - *peer.last_heard < options_.heartbeat_every * kMissedHeartbeats;
}

bool Replica::IsDraining(NodeId node) const {
  const Member* member = snapshot_.FindMember(node);
  return member != nullptr && member->draining;
}

bool Replica::Accepting() const {
  return accepting_ && !IsDraining(options_.self) && !IsEvicted(options_.self);
}

PlacementRules Replica::Rules(const std::vector<std::string>& regions) const {
  return {options_.copies, regions, &evicted_};
}

uint32_t Replica::Left(const std::vector<NodeId>& holders) const {
  return static_cast<uint32_t>(std::count_if(holders.begin(), holders.end(),
                                             [this](NodeId node) { return !IsEvicted(node); }));
}

uint32_t Replica::CopiesNeeded(const SegmentRecord& record) const {
  return std::max(1u, std::min(WriteQuorum(record), Left(record.holders)));
}

// None of a list of which all are evicted: it may be one that was only proposed.
uint32_t Replica::PromisesNeeded(const SegmentRecord& record,
                                 const std::vector<NodeId>& list) const {
  return std::min(ClaimQuorum(record, list), Left(list));
}

// A quorum of the committed list and, while one is proposed, of that too.
bool Replica::ClaimHolds(const SegmentRecord& record, const std::set<NodeId>& promisers) const {
  const auto holds = [&](const std::vector<NodeId>& list) {
    const auto count = std::count_if(list.begin(), list.end(), [&](NodeId node) {
      return promisers.contains(node) && !IsEvicted(node);
    });
    return count >= PromisesNeeded(record, list);
  };
  return holds(record.holders) && (record.next_epoch == Epoch() || holds(record.next_holders));
}

bool Replica::SyncHealthy(Instant now) const { return now - last_synced_ < options_.sync_silence; }

std::string Replica::RegionOf(NodeId node) const {
  const Member* member = snapshot_.FindMember(node);
  // A node that the snapshot does not know counts as no region of its own.
  return member == nullptr ? std::string() : member->region;
}

uint32_t Replica::Regions(const std::vector<NodeId>& nodes) const {
  std::set<std::string> regions;
  for (NodeId node : nodes) {
    std::string region = RegionOf(node);
    if (!region.empty()) regions.insert(std::move(region));
  }
  return static_cast<uint32_t>(regions.size());
}

bool Replica::DurableOn(const SegmentRecord& record, const std::vector<NodeId>& nodes) const {
  return nodes.size() >= WriteQuorum(record) && Regions(nodes) >= record.min_regions;
}

Segment* Replica::FindSegment(const SegmentId& id) {
  auto it = segments_.find(id);
  return it == segments_.end() ? nullptr : &it->second;
}

const Segment* Replica::Find(const SegmentId& id) const {
  auto it = segments_.find(id);
  return it == segments_.end() ? nullptr : &it->second;
}

bool Replica::WasForgotten(const SegmentId& id) const {
  const auto forgotten = forgotten_.find(id);
  return forgotten != forgotten_.end() && now_ - forgotten->second < kRememberForgotten;
}

Segment* Replica::Adopt(const SegmentRecord& record) {
  const bool ours = record.HasHolder(options_.self) || record.Proposes(options_.self);
  if (Segment* known = FindSegment(record.id)) {
    if (ours) known->last_named = now_;
    return known;
  }
  if (!ours || WasForgotten(record.id)) return nullptr;
  Segment& segment = segments_[record.id];
  segment.record = record;
  segment.last_named = now_;
  segment.suspect = segment.skips_epochs = MayHaveForgotten(now_);
  return &segment;
}

void Replica::SaveSegment(Segment& segment, std::vector<spool::WriteOp>& ops) {
  StoredSegment stored;
  stored.record = segment.record;
  stored.promised = segment.promised;
  stored.promised_to = segment.promised_to;
  stored.closed = segment.closed;
  if (segment.closed) {
    stored.finished_ranges = ToRanges(segment.finished);
    stored.aborted_ranges = ToRanges(segment.aborted);
  }
  segment.stored = true;
  ops.push_back(spool::PutSegment{segment.record.id, Encode(stored)});
}

void Replica::Write(std::vector<spool::WriteOp> ops) {
  if (ops.empty()) return;
  out_.push_back(Persist{std::move(ops), spool::Durability::kUnsynced, 0});
}

void Replica::Write(std::vector<spool::WriteOp> ops, spool::Durability durability,
                    Continuation then) {
  const uint64_t token = next_token_++;
  waiting_.emplace(token, std::move(then));
  out_.push_back(Persist{std::move(ops), durability, token});
}

void Replica::WriteSynced(std::vector<spool::WriteOp> ops, Continuation then) {
  Write(std::move(ops), spool::Durability::kSynced, std::move(then));
}

void Replica::Tell(NodeId to, DataMessage message, bool answer) {
  out_.push_back(SendData{to, answer, std::move(message)});
}

void Replica::Tell(NodeId to, ControlMessage message, bool answer) {
  out_.push_back(SendControl{to, answer, std::move(message)});
}

void Replica::AddNote(std::string_view what, const Segment& segment, NodeId peer, uint64_t count) {
  out_.push_back(Note{what, segment.record.id, peer, segment.record.epoch, count});
}

std::vector<NodeId> Replica::Reached(const std::function<bool(NodeId)>& may, Instant now) const {
  std::vector<NodeId> reached{options_.self};
  for (const Member& member : snapshot_.members) {
    if (member.node == options_.self || member.draining || IsEvicted(member.node)) continue;
    if (IsLive(member.node, now) && may(member.node)) reached.push_back(member.node);
  }
  return reached;
}

bool Replica::CanHold(const std::vector<NodeId>& nodes) const {
  return nodes.size() >= options_.write_copies && Regions(nodes) >= options_.min_regions;
}

bool Replica::CanReach(const std::function<bool(NodeId)>& may, Instant now) const {
  return CanHold(Reached(may, now));
}

absl::Status Replica::CanAccept(Instant now) const {
  if (IsEvicted(options_.self)) return absl::UnavailableError("this node is evicted");
  if (!Accepting()) return absl::UnavailableError("this node is draining");
  if (!SyncHealthy(now)) return absl::UnavailableError("the disk has not completed a write lately");
  const std::vector<NodeId> live = Reached([](NodeId) { return true; }, now);
  if (CanHold(live)) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      "no quorum: ", live.size(), " live nodes in ", Regions(live), " regions, ",
      options_.write_copies, " copies in ", options_.min_regions, " regions are needed"));
}

}  // namespace fermo::cluster
