// The writer's side of appends: uploads, segments, verdicts.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lib/cluster/placement.h"
#include "lib/cluster/replica.h"

namespace fermo::cluster {
namespace {

// Bodies of several chunks are numbered before their seq is known; the high
// bit keeps them apart from one-chunk bodies, which are numbered by their seq.
constexpr uint32_t kLargeBody = 1u << 31;
// A segment that has so many takes no more mail: an inventory, which names every
// outcome, has to fit into a frame (16 MiB) with what is still being uploaded.
constexpr uint64_t kMostLegs = 100'000;
// Who has not stored a message after so long, of those that no 250 could be given
// for yet, is no holder of new segments for a while.
constexpr auto kLag = std::chrono::seconds(3);
constexpr auto kLagRemembered = std::chrono::minutes(1);

}  // namespace

void Replica::On(const BeginUpload& event) {
  absl::Status can = CanAccept(now_);
  const bool at_home =
      event.regions.empty() ||
      std::binary_search(event.regions.begin(), event.regions.end(), RegionOf(options_.self));
  if (can.ok() && !at_home) {
    can = absl::UnavailableError("this node is outside of the regions that may hold the mail");
  }
  Segment* segment = can.ok() ? OpenSegment(event.regions) : nullptr;
  if (segment == nullptr) {
    if (can.ok()) can = absl::UnavailableError("no holders for a new segment");
    out_.push_back(UploadSettled{event.upload, {}, can});
    return;
  }
  uploads_[event.upload] = Upload{segment->record.id, 0, 0};
  segment->writer->uploads.insert(event.upload);
}

// The segment that takes new mail for these regions, opened if there is none.
Segment* Replica::OpenSegment(const std::vector<std::string>& regions) {
  const auto known = open_.find(regions);
  Segment* open = known == open_.end() ? nullptr : FindSegment(known->second);
  if (open != nullptr && open->writer && open->owner && !open->writer->closing) return open;
  SegmentId id{options_.self, options_.boot, next_segment_++};
  SegmentRecord record;
  record.id = id;
  record.holders =
      ChooseHolders(id, snapshot_, Rules(regions), [this](NodeId node) { return KeepsUp(node); });
  std::vector<NodeId> live = record.holders;
  std::erase_if(live, [this](NodeId node) { return !IsLive(node, now_); });
  if (!CanHold(live)) {  // who lags is still more than who is down
    record.holders = ChooseHolders(id, snapshot_, Rules(regions),
                                   [this](NodeId node) { return IsLive(node, now_); });
  }
  record.write_copies = options_.write_copies;
  record.min_regions = options_.min_regions;
  record.owner = options_.self;
  record.regions = regions;
  if (record.holders.size() < options_.write_copies) return nullptr;
  Segment& segment = segments_[id];
  segment.record = record;
  segment.writer = std::make_unique<WriterState>();
  segment.writer->opened_at = now_;
  segment.owner = std::make_unique<OwnerState>();
  segment.owner->tenure = next_tenure_++;
  for (NodeId holder : record.holders) {
    if (holder == options_.self) continue;
    HolderView& view = segment.owner->holders.emplace_back();
    view.node = holder;
  }
  open_[regions] = id;
  std::vector<spool::WriteOp> ops;
  SaveSegment(segment, ops);
  Write(std::move(ops));
  AddNote("segment_opened", segment, {}, record.holders.size());
  for (HolderView& view : segment.owner->holders) {
    SendHeartbeat(view.node, peers_[view.node]);
    StartSync(segment, view);  // there is nothing to compare, but it may be suspect
  }
  return &segment;
}

MessageId Replica::PlannedId(UploadId upload) const {
  const SegmentId& id = uploads_.at(upload).segment;
  return MessageId{id, Seq(segments_.at(id).writer->next_seq)};
}

uint32_t Replica::PlannedBody(UploadId upload) const { return uploads_.at(upload).body; }

void Replica::On(const AddChunk& event) {
  auto it = uploads_.find(event.upload);
  if (it == uploads_.end()) return;
  Upload& upload = it->second;
  Segment* segment = FindSegment(upload.segment);
  if (upload.chunks == 0) upload.body = kLargeBody | segment->writer->next_body++;
  const uint32_t index = upload.chunks++;
  Write({spool::PutChunk{upload.segment, upload.body, index, event.octets}});
  for (const HolderView& view : segment->owner->holders) {
    if (peers_[view.node].data) {
      Tell(view.node, Chunk{upload.segment, upload.body, index, event.octets});
    }
  }
}

void Replica::On(const CommitUpload& event) {
  auto it = uploads_.find(event.upload);
  if (it == uploads_.end()) return;
  const Upload upload = it->second;
  Segment& segment = *FindSegment(upload.segment);
  WriterState& writer = *segment.writer;
  const Seq seq(writer.next_seq++);
  const MessageId id{upload.segment, seq};
  writer.legs += event.legs;
  Remember(event.token, id);
  writer.pending[seq] = PendingAppend{event.upload, {}, {}, now_ + options_.append_budget, false};
  Shape shape{event.chunk ? seq.value() : upload.body, event.chunks, event.legs};
  if (!event.chunk || event.legs != 1) segment.shapes[seq] = shape;
  std::vector<spool::WriteOp> ops;
  ops.push_back(spool::PutMessage{id, event.record});
  if (event.chunk) ops.push_back(spool::PutChunk{id.segment, shape.body, 0, event.chunk});
  WriteSynced(std::move(ops), AppendedHere{upload.segment, seq});
  for (const HolderView& view : segment.owner->holders) {
    if (peers_[view.node].data) {
      Tell(view.node, Append{segment.record, seq, event.record, event.chunk, false});
    }
  }
  EndUpload(event.upload);
}

void Replica::On(const AbandonUpload& event) {
  auto it = uploads_.find(event.upload);
  if (it == uploads_.end()) return;
  const Upload upload = it->second;
  if (upload.chunks > 0) {
    Write({spool::DeleteBody{upload.segment, upload.body, upload.chunks}});
    for (const HolderView& view : FindSegment(upload.segment)->owner->holders) {
      if (peers_[view.node].data) Tell(view.node, DropBody{upload.segment, upload.body});
    }
  }
  EndUpload(event.upload);
}

void Replica::EndUpload(UploadId upload) {
  auto it = uploads_.find(upload);
  Segment* segment = FindSegment(it->second.segment);
  segment->writer->uploads.erase(upload);
  uploads_.erase(it);
  const WriterState& writer = *segment->writer;
  const bool full = writer.next_seq >= options_.segment_messages || writer.legs >= kMostLegs;
  if (full) segment->writer->closing = true;
  MaybeSeal(*segment);
}

void Replica::On(const StopAccepting&) {
  accepting_ = false;
  SealAll();
}

void Replica::NoLongerOpen(const SegmentId& id) {
  std::erase_if(open_, [&id](const auto& entry) { return entry.second == id; });
}

void Replica::SealAll() {
  for (auto& [id, segment] : segments_) {
    if (!segment.writer) continue;
    segment.writer->closing = true;
    MaybeSeal(segment);
  }
}

// `holder` has the message on its disk.
void Replica::Acknowledge(Segment& segment, Seq seq, NodeId holder) {
  if (!segment.writer) return;
  auto it = segment.writer->pending.find(seq);
  if (it == segment.writer->pending.end() || it->second.aborting) return;
  PendingAppend& pending = it->second;
  if (std::find(pending.stored.begin(), pending.stored.end(), holder) != pending.stored.end()) {
    return;
  }
  pending.stored.push_back(holder);
  if (!DurableOn(segment.record, pending.stored)) return;
  // Delivery reads it from our own disk.
  if (!Contains(segment.held, seq)) return;
  out_.push_back(
      UploadSettled{pending.upload, MessageId{segment.record.id, seq}, absl::OkStatus()});
  segment.writer->pending.erase(it);
  MaybeSeal(segment);
}

// W cannot be had: the sender hears 451, but only once our abort is on disk,
// so that no reboot of ours can bring the message back as accepted.
void Replica::AbortPending(Segment& segment, Seq seq) {
  PendingAppend& pending = segment.writer->pending.at(seq);
  if (pending.aborting) return;
  pending.aborting = true;
  std::vector<spool::WriteOp> ops;
  Shape shape = segment.ShapeOf(seq);
  ops.push_back(spool::PutAbort{{segment.record.id, seq}, shape.body, shape.chunks});
  WriteSynced(std::move(ops), AbortedHere{segment.record.id, seq, pending.upload});
}

void Replica::AbortAllPending(Segment& segment) {
  if (!segment.writer) return;
  for (auto& [seq, pending] : segment.writer->pending) AbortPending(segment, seq);
}

// The segment went to another owner: what has not begun to commit is refused.
void Replica::RefuseUploads(Segment& segment) {
  for (UploadId id : segment.writer->uploads) {
    const Upload upload = uploads_.at(id);
    if (upload.chunks > 0) Write({spool::DeleteBody{upload.segment, upload.body, upload.chunks}});
    uploads_.erase(id);
    out_.push_back(UploadSettled{id, {}, absl::UnavailableError("the segment was taken over")});
  }
  segment.writer->uploads.clear();
}

void Replica::Done(const AbortedHere& done) {
  // Other holders may have it, and one that has taken over may have delivered it.
  out_.push_back(UploadSettled{done.upload,
                               {done.segment, done.seq},
                               absl::UnknownError("too few copies within the budget")});
  Segment* segment = FindSegment(done.segment);
  if (segment == nullptr || segment->closed) return;
  segment->held.remove(done.seq.value());
  segment->shapes.erase(done.seq);
  segment->aborted.add(done.seq.value());
  for (NodeId holder : segment->record.holders) {
    if (holder != options_.self) Tell(holder, Abort{done.segment, SetOf(done.seq)});
  }
  AddNote("append_aborted", *segment);
  if (segment->writer) {
    segment->writer->pending.erase(done.seq);
    MaybeSeal(*segment);
  }
}

void Replica::Done(const AppendedHere& done) {
  Segment* segment = FindSegment(done.segment);
  if (segment == nullptr || segment->closed || Contains(segment->aborted, done.seq)) return;
  segment->held.add(done.seq.value());
  if (segment->writer) {
    auto wanted = segment->writer->wanted.extract(done.seq);
    if (!wanted.empty()) {
      for (NodeId peer : wanted.mapped()) {
        out_.push_back(SendCopies{peer, segment->record, SetOf(done.seq)});
      }
    }
  }
  // A promise fences the writer as well.
  if (segment->promised > segment->record.epoch) return;
  Acknowledge(*segment, done.seq, options_.self);
}

void Replica::TickWriter(Segment& segment) {
  if (!segment.writer) return;
  WriterState& writer = *segment.writer;
  for (auto& [seq, pending] : writer.pending) {
    if (!pending.aborting && now_ >= pending.deadline) AbortPending(segment, seq);
  }
  NoteLaggards(segment);
  if (writer.closing || segment.record.sealed) return;
  if (now_ - writer.opened_at >= options_.segment_age || HasBetterHolders(segment)) {
    writer.closing = true;
    MaybeSeal(segment);
  }
}

// Its disk is full, or slow, or the way to it is: a 250 waits for it in vain.
void Replica::NoteLaggards(const Segment& segment) {
  for (const auto& [seq, pending] : segment.writer->pending) {
    if (pending.aborting || now_ < pending.deadline - options_.append_budget + kLag) continue;
    for (NodeId node : segment.record.holders) {
      const bool stored =
          std::find(pending.stored.begin(), pending.stored.end(), node) != pending.stored.end();
      if (!stored && node != options_.self) peers_[node].lags_until = now_ + kLagRemembered;
    }
  }
}

bool Replica::KeepsUp(NodeId node) const {
  const auto peer = peers_.find(node);
  return IsLive(node, now_) && (peer == peers_.end() || peer->second.lags_until <= now_);
}

// A holder is to leave, or has been away or behind for a while and others could
// take new mail instead.
bool Replica::HasBetterHolders(const Segment& segment) const {
  const auto& holders = segment.record.holders;
  const auto leaves = [this](NodeId node) { return IsEvicted(node) || IsDraining(node); };
  if (std::any_of(holders.begin(), holders.end(), leaves)) return true;
  std::vector<NodeId> present;
  for (NodeId node : segment.record.holders) {
    auto it = peers_.find(node);
    const bool away =
        !IsLive(node, now_) &&
        (it == peers_.end() || now_ - it->second.down_since >= options_.holder_failure_after);
    const bool behind = it != peers_.end() && it->second.lags_until > now_;
    if (!away && !behind) present.push_back(node);
  }
  std::vector<NodeId> fresh;
  SegmentId next{options_.self, options_.boot, next_segment_};
  for (NodeId node : ChooseHolders(next, snapshot_, Rules(segment.record.regions),
                                   [this](NodeId n) { return KeepsUp(n); })) {
    if (KeepsUp(node)) fresh.push_back(node);
  }
  return fresh.size() > present.size() ||
         (fresh.size() == present.size() && Regions(fresh) > Regions(present));
}

void Replica::MaybeSeal(Segment& segment) {
  if (!segment.writer || !segment.writer->closing || segment.record.sealed) return;
  if (!segment.writer->uploads.empty() || !segment.writer->pending.empty()) return;
  segment.record.sealed = true;
  std::vector<spool::WriteOp> ops;
  SaveSegment(segment, ops);
  Write(std::move(ops));
  AddNote("segment_sealed", segment, {}, segment.writer->next_seq);
}

}  // namespace fermo::cluster
