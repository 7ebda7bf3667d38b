// The holder's side of appends: copies from the writer and from others.
#include <algorithm>

#include "lib/cluster/replica.h"

namespace fermo::cluster {
namespace {

spool::PutAbort AbortOp(const Segment& segment, Seq seq) {
  const Shape shape = segment.ShapeOf(seq);
  return spool::PutAbort{MessageId{segment.record.id, seq}, shape.body, shape.chunks};
}

}  // namespace

void Replica::Receive(NodeId from, const Append& message) {
  const SegmentId& id = message.segment.id;
  if (!message.copy && forgotten_.contains(id) && FindSegment(id) == nullptr) return;
  Segment* segment = Adopt(message.segment);
  if (segment == nullptr) return;
  const bool fenced = !message.copy && segment->promised > message.segment.epoch;
  if (fenced || segment->closed) {
    Tell(from, Stored{id, SetOf(message.seq), true, segment->promised}, true);
    return;
  }
  if (segment->Knows(message.seq)) {
    AddNote("append_repeated", *segment, from);
    Tell(from, Stored{id, SetOf(message.seq), false, segment->promised}, true);
    return;
  }
  auto record = spool::DecodeMessageRecord(*message.record);
  if (!record.ok()) return;
  if (record->chunks != 1) {
    auto body = incoming_.find({from, id, record->body});
    const uint32_t got = body == incoming_.end() ? 0 : body->second;
    if (body != incoming_.end()) incoming_.erase(body);
    if (got != record->chunks) {  // the stream broke within the body
      Tell(from, Fetch{id, SetOf(message.seq)});
      return;
    }
  }
  const auto legs = static_cast<uint32_t>(record->envelope.forward_paths.size());
  if (record->chunks != 1 || legs != 1) {
    segment->shapes[message.seq] = Shape{record->body, record->chunks, legs};
  }
  std::vector<spool::WriteOp> ops;
  if (!segment->stored) SaveSegment(*segment, ops);
  ops.push_back(spool::PutMessage{{id, message.seq}, message.record});
  if (message.chunk) ops.push_back(spool::PutChunk{id, record->body, 0, message.chunk});
  WriteSynced(std::move(ops), AppendedFor{from, id, message.seq});
}

void Replica::Done(const AppendedFor& done) {
  Segment* segment = FindSegment(done.segment);
  if (segment == nullptr) return;
  if (segment->closed || Contains(segment->aborted, done.seq)) return;
  if (!Contains(segment->finished, done.seq)) segment->held.add(done.seq.value());
  Tell(done.peer, Stored{done.segment, SetOf(done.seq), false, segment->promised}, true);
  if (!segment->owner) return;
  if (segment->AllOutcomesKnown(done.seq)) {
    // They came before the message.
    if (segment->AllOutcomesStored(done.seq)) segment->owner->done_here.add(done.seq.value());
    MaybeFinish(*segment, {done.seq});
  } else if (!segment->writer) {
    Offer(*segment, {done.seq});
  }
}

// Chunks may come before anything else of their segment; they are counted by
// sender, and the append that follows says how many there must be.
void Replica::Receive(NodeId from, const Chunk& message) {
  const Segment* segment = FindSegment(message.segment);
  if (segment != nullptr && segment->closed) return;
  uint32_t& next = incoming_[{from, message.segment, message.body}];
  if (message.index == 0) next = 0;
  if (message.index != next) return;  // a gap: the append will be fetched again
  ++next;
  Write({spool::PutChunk{message.segment, message.body, message.index, message.octets}});
}

void Replica::Receive(NodeId from, const DropBody& message) {
  auto it = incoming_.find({from, message.segment, message.body});
  if (it == incoming_.end()) return;
  DropIncoming(from, message.segment, message.body, it->second);
  incoming_.erase(it);
}

// The sender went away in the middle of these bodies.
void Replica::DropIncomingOf(NodeId from) {
  auto it = incoming_.lower_bound({from, SegmentId{}, 0});
  while (it != incoming_.end() && std::get<0>(it->first) == from) {
    DropIncoming(from, std::get<1>(it->first), std::get<2>(it->first), it->second);
    it = incoming_.erase(it);
  }
}

void Replica::DropIncoming(NodeId from, const SegmentId& id, uint32_t body, uint32_t chunks) {
  for (const auto& [key, count] : incoming_) {
    // Another peer is sending the same body.
    if (std::get<0>(key) != from && std::get<1>(key) == id && std::get<2>(key) == body) return;
  }
  if (const Segment* segment = FindSegment(id)) {
    // Another peer may have sent the same body whole, and it is in use.
    for (const auto& [seq, shape] : segment->shapes) {
      if (shape.body == body) return;
    }
  }
  if (chunks > 0) Write({spool::DeleteBody{id, body, chunks}});
}

void Replica::Receive(NodeId from, const Stored& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr || !segment->owner) return;
  HolderView* view = segment->owner->Find(from);
  if (view == nullptr) return;
  if (message.refused) {
    // Fenced: the holder promised a higher epoch. What it refused is not
    // durable there; the appends end by their budget or by the new owner.
    AddNote("append_refused", *segment, from);
    if (message.promised > segment->record.epoch) AbortRefused(*segment, message.seqs, from);
    return;
  }
  view->has |= message.seqs;
  if (!segment->writer) return;
  for (uint32_t seq : message.seqs) Acknowledge(*segment, Seq(seq), from);
}

// New mail goes to another segment. What enough others may still store is not
// lost yet: a claim that they have not promised finds it.
void Replica::AbortRefused(Segment& segment, const SeqSet& seqs, NodeId by) {
  if (!segment.writer) return;
  segment.writer->closing = true;
  NoLongerOpen(segment.record.id);
  for (auto& [seq, pending] : segment.writer->pending) {
    if (!Contains(seqs, seq)) continue;
    if (std::find(pending.refused.begin(), pending.refused.end(), by) == pending.refused.end()) {
      pending.refused.push_back(by);
    }
    std::vector<NodeId> left;
    for (NodeId holder : segment.record.holders) {
      const auto& refused = pending.refused;
      const bool says_no = std::find(refused.begin(), refused.end(), holder) != refused.end();
      if (!says_no && !IsEvicted(holder)) left.push_back(holder);
    }
    if (!DurableOn(segment.record, left)) AbortPending(segment, seq);
  }
  MaybeSeal(segment);
}

void Replica::RecordAbort(Segment& segment, Seq seq, std::vector<spool::WriteOp>& ops) {
  if (Contains(segment.aborted, seq) || Contains(segment.finished, seq)) return;
  ops.push_back(AbortOp(segment, seq));
  segment.held.remove(seq.value());
  segment.shapes.erase(seq);
  segment.outcomes.erase(seq);
  segment.aborted.add(seq.value());
}

void Replica::Receive(NodeId from, const Abort& message) {
  Segment* segment = FindSegment(message.segment);
  if (segment == nullptr || segment->closed) return;
  std::vector<spool::WriteOp> ops;
  for (uint32_t seq : message.seqs) {
    RecordAbort(*segment, Seq(seq), ops);
    if (segment->owner) SettleAll({message.segment, Seq(seq)});
  }
  Write(std::move(ops));
  Tell(from, Stored{message.segment, message.seqs, false, segment->promised}, true);
}

}  // namespace fermo::cluster
