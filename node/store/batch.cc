#include "node/store/batch.h"

#include <array>
#include <utility>

#include "lib/spool/keys.h"
#include "lib/spool/record.h"
#include "lib/spool/slot.h"

namespace fermo::node {
namespace {

using rocksdb::Slice;
using rocksdb::Status;

// Of a key, its lengths and tags within a batch.
constexpr size_t kOverhead = 48;
// A mark reads the record that it replaces: so many in a batch that a disk which
// is slow to read does not hold up the synced writes behind it.
constexpr size_t kReads = 4096;
// A batch of one huge write must not keep its memory for ever.
constexpr size_t kKeepCapacity = size_t{16} << 20;

Slice ToSlice(std::string_view octets) { return {octets.data(), octets.size()}; }
Slice ToSlice(const spool::Key& key) { return ToSlice(key.view()); }

size_t Extra(const spool::PutSegment& op) { return op.octets.size(); }
size_t Extra(const spool::DeleteSegment&) { return 3 * kOverhead; }
size_t Extra(const spool::PutMessage& op) { return op.record->size(); }
size_t Extra(const spool::PutChunk& op) { return op.octets->size(); }
size_t Extra(const spool::PutAbort& op) { return op.chunks * kOverhead; }
size_t Extra(const spool::DeleteBody& op) { return op.chunks * kOverhead; }
size_t Extra(const spool::PutOutcome& op) { return op.outcome.reply.size(); }
size_t Extra(const spool::PutFinished& op) {
  return kReads + (op.chunks + op.outcomes.size()) * kOverhead;
}
size_t Extra(const spool::PutMeta& op) { return op.key.size() + op.value.size(); }
size_t Extra(const spool::DeleteMeta& op) { return op.key.size(); }

std::vector<std::string> DomainsIn(std::string_view record) {
  std::vector<std::string> domains;
  auto message = spool::DecodeMessageRecord(record);
  if (!message.ok()) return domains;
  for (const std::string& path : message->envelope.forward_paths) {
    domains.emplace_back(spool::DomainOf(path));
  }
  return domains;
}

}  // namespace

size_t SizeOf(const spool::WriteOp& op) {
  return kOverhead + std::visit([](const auto& each) { return Extra(each); }, op);
}

Status Batch::Add(const spool::WriteOp& op) {
  ++operations_;
  return std::visit([this](const auto& each) { return Apply(each); }, op);
}

void Batch::Clear() {
  operations_ = 0;
  deleted_segments_ = 0;
  records_.clear();
  if (batch_.Data().capacity() > kKeepCapacity) {
    batch_ = rocksdb::WriteBatch();
  } else {
    batch_.Clear();
  }
}

Status Batch::Apply(const spool::PutSegment& op) {
  return batch_.Put(database_.family(Family::kSegment), ToSlice(spool::SegmentKey(op.id)),
                    op.octets);
}

// Everything else in the spool is deleted key by key: a range deletion costs
// every later read of its neighbourhood, and is for whole segments only.
Status Batch::Apply(const spool::DeleteSegment& op) {
  ++deleted_segments_;
  spool::Key begin = spool::SegmentKey(op.id);
  std::string end = spool::EndOfPrefix(begin.view());
  // Only a segment of all ones has no key behind it, and no node draws that id
  // and boots and opens that often.
  if (end.empty()) return Status::InvalidArgument("segment id out of range");
  for (Family family : {Family::kMessage, Family::kBody, Family::kRecipient}) {
    Status status = batch_.DeleteRange(database_.family(family), ToSlice(begin), end);
    if (!status.ok()) return status;
  }
  return batch_.Delete(database_.family(Family::kSegment), ToSlice(begin));
}

Status Batch::Apply(const spool::PutMessage& op) {
  records_[op.id] = op.record;
  spool::Key key = spool::MessageKey(op.id.segment, op.id.seq);
  Slice key_part = ToSlice(key);
  std::array<Slice, 2> value_parts = {ToSlice(spool::kLiveSlotPrefix), Slice(*op.record)};
  return batch_.Put(database_.family(Family::kMessage), rocksdb::SliceParts(&key_part, 1),
                    rocksdb::SliceParts(value_parts.data(), value_parts.size()));
}

Status Batch::Apply(const spool::PutChunk& op) {
  return batch_.Put(database_.family(Family::kBody),
                    ToSlice(spool::BodyKey(op.segment, op.body, op.index)), *op.octets);
}

Status Batch::Apply(const spool::PutAbort& op) {
  Status status =
      batch_.Put(database_.family(Family::kMessage),
                 ToSlice(spool::MessageKey(op.id.segment, op.id.seq)), spool::EncodeAbortedSlot());
  if (!status.ok()) return status;
  return DeleteChunks(op.id.segment, op.body, op.chunks);
}

Status Batch::Apply(const spool::DeleteBody& op) {
  return DeleteChunks(op.segment, op.body, op.chunks);
}

Status Batch::Apply(const spool::PutOutcome& op) {
  return batch_.Put(database_.family(Family::kRecipient),
                    ToSlice(spool::RecipientKey(op.segment, op.outcome.seq, op.outcome.leg)),
                    spool::Encode(op.outcome));
}

// Of the record that a mark is about to replace, or of an earlier mark; none
// when there is neither or it can't be read.
std::vector<std::string> Batch::DomainsOf(const MessageId& id) const {
  const auto waiting = records_.find(id);
  if (waiting != records_.end()) return DomainsIn(*waiting->second);
  rocksdb::PinnableSlice octets;
  const Status status = database_->Get(rocksdb::ReadOptions(), database_.family(Family::kMessage),
                                       ToSlice(spool::MessageKey(id.segment, id.seq)), &octets);
  if (!status.ok()) return {};
  auto slot = spool::DecodeSlot(octets.ToStringView());
  if (!slot.ok()) return {};
  if (slot->kind == spool::Slot::Kind::kLive) return DomainsIn(slot->record);
  return {slot->domains.begin(), slot->domains.end()};
}

Status Batch::Apply(const spool::PutFinished& op) {
  const SegmentId& segment = op.id.segment;
  const std::vector<std::string> domains = DomainsOf(op.id);
  Status status =
      batch_.Put(database_.family(Family::kMessage), ToSlice(spool::MessageKey(segment, op.id.seq)),
                 spool::EncodeFinishedSlot(op.outcomes, {domains.begin(), domains.end()}));
  for (uint32_t leg = 0; status.ok() && leg < op.outcomes.size(); ++leg) {
    status = batch_.Delete(database_.family(Family::kRecipient),
                           ToSlice(spool::RecipientKey(segment, op.id.seq, leg)));
  }
  if (!status.ok()) return status;
  return DeleteChunks(segment, op.body, op.chunks);
}

Status Batch::Apply(const spool::PutMeta& op) {
  return batch_.Put(database_.family(Family::kMeta), op.key, op.value);
}

Status Batch::Apply(const spool::DeleteMeta& op) {
  return batch_.Delete(database_.family(Family::kMeta), op.key);
}

Status Batch::DeleteChunks(const SegmentId& segment, uint32_t body, uint32_t chunks) {
  for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
    Status status = batch_.Delete(database_.family(Family::kBody),
                                  ToSlice(spool::BodyKey(segment, body, chunk)));
    if (!status.ok()) return status;
  }
  return Status::OK();
}

}  // namespace fermo::node
