#include <gtest/gtest.h>

#include "lib/cluster/attempt_codec.h"
#include "tests/support/replica_cluster.h"

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
              std::erase_if(records_, [&](const auto& e) { return e.first.segment == gone.id; });
            },
            [&](const spool::PutMessage& put) {
              auto record = spool::DecodeMessageRecord(*put.record);
              ASSERT_TRUE(record.ok()) << record.status();
              auto& segment = At(put.id.segment);
              segment.held.add(put.id.seq.value());
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
              records_.erase(put.id);
            },
            [&](const spool::PutOutcome& put) { At(put.segment).outcomes.push_back(put.outcome); },
            [&](const spool::PutFinished& put) {
              auto& segment = At(put.id.segment);
              segment.held.remove(put.id.seq.value());
              segment.finished.add(put.id.seq.value());
              records_.erase(put.id);
            },
            [&](const spool::PutMeta& put) {
              auto id = cluster::ParseAttemptKey(put.key);
              auto attempt = cluster::DecodeAttempt(put.value);
              if (id.ok() && attempt.ok()) At(id->segment).heard[id->seq] = *attempt;
            },
            [&](const spool::DeleteMeta& gone) {
              auto id = cluster::ParseAttemptKey(gone.key);
              if (id.ok() && segments_.contains(id->segment)) At(id->segment).heard.erase(id->seq);
            },
            [](const auto&) {},
        },
        op);
  }
}

std::vector<cluster::RecoveredSegment> VirtualDisk::Recover(Instant now, Duration grace) const {
  std::vector<cluster::RecoveredSegment> all;
  for (const auto& [id, segment] : segments_) {
    if (segment.stored.record.holders.empty()) continue;  // no record was ever written
    all.push_back(segment);
    for (auto& [seq, attempt] : all.back().heard) attempt.until = now + grace;
  }
  return all;
}

const Bytes* VirtualDisk::Record(const MessageId& id) const {
  auto it = records_.find(id);
  return it == records_.end() ? nullptr : &it->second;
}

bool VirtualDisk::Holds(const MessageId& id) const { return records_.contains(id); }

}  // namespace fermo::test
