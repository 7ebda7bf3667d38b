#include "tests/support/virtual_disk.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "lib/cluster/attempt_codec.h"

namespace fermo::test {
namespace {

template <class... Fs>
struct Overload : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overload(Fs...) -> Overload<Fs...>;

}  // namespace

cluster::RecoveredSegment& VirtualDisk::At(const SegmentId& id) {
  cluster::RecoveredSegment& segment = segments_[id];
  segment.stored.record.id = id;
  return segment;
}

void VirtualDisk::EraseOf(const SegmentId& id) {
  const auto of = [&id](const auto& entry) { return entry.first.segment == id; };
  auto record = records_.lower_bound({id, Seq(0)});
  while (record != records_.end() && of(*record)) record = records_.erase(record);
  auto outcome = outcomes_.lower_bound({id, Seq(0)});
  while (outcome != outcomes_.end() && of(*outcome)) outcome = outcomes_.erase(outcome);
  auto chunk = chunks_.lower_bound({id, 0, 0});
  while (chunk != chunks_.end() && std::get<0>(chunk->first) == id) chunk = chunks_.erase(chunk);
}

void VirtualDisk::DropBody(const SegmentId& id, uint32_t body, uint32_t chunks) {
  for (uint32_t index = 0; index < chunks; ++index) chunks_.erase({id, body, index});
}

bool VirtualDisk::HasBody(const SegmentId& id, uint32_t body, uint32_t chunks) const {
  for (uint32_t index = 0; index < chunks; ++index) {
    if (!chunks_.contains({id, body, index})) return false;
  }
  return true;
}

void VirtualDisk::Apply(const std::vector<spool::WriteOp>& ops) {
  for (const spool::WriteOp& op : ops) {
    std::visit(
        Overload{
            [&](const spool::PutSegment& put) {
              auto stored = cluster::DecodeStoredSegment(put.octets);
              ASSERT_TRUE(stored.ok()) << stored.status();
              At(put.id).stored = *stored;
            },
            [&](const spool::DeleteSegment& gone) {
              segments_.erase(gone.id);
              EraseOf(gone.id);
            },
            [&](const spool::PutMessage& put) {
              auto record = spool::DecodeMessageRecord(*put.record);
              ASSERT_TRUE(record.ok()) << record.status();
              auto& segment = At(put.id.segment);
              segment.held.add(put.id.seq.value());
              segment.aborted.remove(put.id.seq.value());  // one key holds one value
              segment.finished.remove(put.id.seq.value());
              const auto legs = static_cast<uint32_t>(record->envelope.forward_paths.size());
              if (legs != 1 || record->chunks != 1) {
                segment.shapes[put.id.seq] = {record->body, record->chunks, legs};
              }
              records_[put.id] = put.record;
            },
            [&](const spool::PutAbort& put) {
              auto& segment = At(put.id.segment);
              segment.held.remove(put.id.seq.value());
              segment.aborted.add(put.id.seq.value());
              DropBody(put.id.segment, put.body, put.chunks);
              segment.shapes.erase(put.id.seq);
              records_.erase(put.id);
              outcomes_.erase(put.id);
            },
            [&](const spool::PutOutcome& put) {
              outcomes_[{put.segment, put.outcome.seq}][put.outcome.leg] = put.outcome;
            },
            [&](const spool::PutFinished& put) {
              auto& segment = At(put.id.segment);
              segment.held.remove(put.id.seq.value());
              segment.finished.add(put.id.seq.value());
              DropBody(put.id.segment, put.body, put.chunks);
              if (put.outcomes != std::vector{spool::Outcome::kDelivered}) {
                segment.odd[put.id.seq] = put.outcomes;
              }
              segment.shapes.erase(put.id.seq);
              records_.erase(put.id);
              outcomes_.erase(put.id);
            },
            [&](const spool::PutMeta& put) {
              auto id = cluster::ParseAttemptKey(put.key);
              auto attempt = cluster::DecodeAttempt(put.value);
              if (id.ok() && attempt.ok()) attempts_[*id] = *attempt;
            },
            [&](const spool::DeleteMeta& gone) {
              auto id = cluster::ParseAttemptKey(gone.key);
              if (id.ok()) attempts_.erase(*id);
            },
            [&](const spool::PutChunk& put) {
              chunks_[{put.segment, put.body, put.index}] = put.octets;
            },
            [&](const spool::DeleteBody& gone) { DropBody(gone.segment, gone.body, gone.chunks); },
        },
        op);
  }
}

std::vector<cluster::RecoveredSegment> VirtualDisk::Recover(Instant now, Duration grace) const {
  std::vector<cluster::RecoveredSegment> all;
  for (const auto& [id, segment] : segments_) {
    if (segment.stored.record.holders.empty()) continue;  // no record was ever written
    all.push_back(segment);
    auto attempt = attempts_.lower_bound({id, Seq(0)});
    for (; attempt != attempts_.end() && attempt->first.segment == id; ++attempt) {
      cluster::HeardAttempt& heard = all.back().heard[attempt->first.seq];
      heard = attempt->second;
      heard.until = now + grace;
    }
    auto record = records_.lower_bound({id, Seq(0)});
    for (; record != records_.end() && record->first.segment == id; ++record) {
      const auto message = spool::DecodeMessageRecord(*record->second);
      if (message.ok()) all.back().tokens[message->token] = record->first.seq;
    }
    auto outcome = outcomes_.lower_bound({id, Seq(0)});
    for (; outcome != outcomes_.end() && outcome->first.segment == id; ++outcome) {
      for (const auto& [leg, known] : outcome->second) all.back().outcomes.push_back(known);
    }
  }
  return all;
}

const Bytes* VirtualDisk::Record(const MessageId& id) const {
  auto it = records_.find(id);
  return it == records_.end() ? nullptr : &it->second;
}

const cluster::RecoveredSegment* VirtualDisk::Find(const SegmentId& id) const {
  auto it = segments_.find(id);
  return it == segments_.end() ? nullptr : &it->second;
}

bool VirtualDisk::Aborted(const MessageId& id) const {
  const cluster::RecoveredSegment* segment = Find(id.segment);
  return segment != nullptr && cluster::Contains(segment->aborted, id.seq);
}

bool VirtualDisk::Finished(const MessageId& id) const {
  const cluster::RecoveredSegment* segment = Find(id.segment);
  if (segment == nullptr) return false;
  if (!segment->stored.closed) return cluster::Contains(segment->finished, id.seq);
  auto listed = cluster::FromRanges(segment->stored.finished_ranges);
  return listed.ok() && cluster::Contains(*listed, id.seq);
}

bool VirtualDisk::HasAttempts(const SegmentId& id) const {
  auto first = attempts_.lower_bound({id, Seq(0)});
  return first != attempts_.end() && first->first.segment == id;
}

bool VirtualDisk::KnowsOutcome(const MessageId& id, uint32_t leg) const {
  auto known = outcomes_.find(id);
  return Finished(id) || (known != outcomes_.end() && known->second.contains(leg));
}

}  // namespace fermo::test
