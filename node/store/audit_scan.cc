// The scan of an audit: slots and outcomes side by side, from one snapshot, so
// that a message which ends meanwhile is seen before its end or after it.
#include <algorithm>
#include <memory>

#include "fmt/format.h"
#include "lib/spool/keys.h"
#include "lib/spool/slot.h"
#include "node/store/spool_store_impl.h"
#include "node/store/status.h"

namespace fermo::node {
namespace {

using spool::Outcome;

rocksdb::Slice ToSlice(std::string_view octets) { return {octets.data(), octets.size()}; }
std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// Both families as of one moment.
class Moment {
 public:
  explicit Moment(const Database& database)
      : database_(database), snapshot_(database->GetSnapshot()) {}
  ~Moment() { database_->ReleaseSnapshot(snapshot_); }
  Moment(const Moment&) = delete;
  Moment& operator=(const Moment&) = delete;

  // At `lower`; ends before `upper`. Both must outlive the iterator.
  std::unique_ptr<rocksdb::Iterator> Iterate(Family family, const rocksdb::Slice& lower,
                                             const rocksdb::Slice& upper) const {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot_;
    options.fill_cache = false;
    options.background_purge_on_iterator_cleanup = true;
    options.iterate_lower_bound = &lower;
    options.iterate_upper_bound = &upper;
    std::unique_ptr<rocksdb::Iterator> it(
        database_->NewIterator(options, database_.family(family)));
    it->Seek(lower);
    return it;
  }

 private:
  const Database& database_;
  const rocksdb::Snapshot* snapshot_;
};

AuditedSlot OfLive(std::string_view octets) {
  AuditedSlot found;
  auto record = spool::DecodeMessageRecord(octets);
  if (!record.ok()) {
    found.state = AuditedSlot::State::kDamaged;
    return found;
  }
  for (const std::string& path : record->envelope.forward_paths) {
    found.legs.emplace_back().domain = spool::DomainOf(path);
  }
  return found;
}

// More legs than outcomes, or the reverse, must show: the longer list counts.
AuditedSlot OfFinished(const spool::Slot& slot) {
  AuditedSlot found;
  found.state = AuditedSlot::State::kFinished;
  found.legs.resize(std::max(slot.outcomes.size(), slot.domains.size()));
  for (size_t leg = 0; leg < found.legs.size(); ++leg) {
    if (leg < slot.domains.size()) found.legs[leg].domain = slot.domains[leg];
    if (leg < slot.outcomes.size()) found.legs[leg].outcome = slot.outcomes[leg];
  }
  return found;
}

AuditedSlot OfSlot(std::string_view octets) {
  AuditedSlot found;
  auto slot = spool::DecodeSlot(octets);
  if (!slot.ok()) {
    found.state = AuditedSlot::State::kDamaged;
    return found;
  }
  if (slot->kind == spool::Slot::Kind::kLive) return OfLive(slot->record);
  if (slot->kind == spool::Slot::Kind::kFinished) return OfFinished(*slot);
  found.state = AuditedSlot::State::kAborted;
  return found;
}

void TakeOutcome(const spool::LegPosition& at, std::string_view octets, AuditedSlot& slot) {
  auto row = spool::DecodeLegOutcome(at.seq, at.leg, octets);
  if (!row.ok()) {
    slot.state = AuditedSlot::State::kDamaged;
  } else if (at.leg < slot.legs.size()) {
    slot.legs[at.leg].outcome = row->outcome;
  } else {
    slot.legs.emplace_back().outcome = row->outcome;  // a leg that no forward-path names
  }
}

// Moves `rows` past those of the slot's seq.
absl::Status TakeOutcomes(rocksdb::Iterator& rows, AuditedSlot& slot) {
  const bool wanted = slot.state == AuditedSlot::State::kLive;
  for (; rows.Valid(); rows.Next()) {
    auto at = spool::DecodeRecipientKey(ToView(rows.key()));
    if (!at.ok()) return at.status();
    if (at->seq > slot.seq) break;
    if (wanted && at->seq == slot.seq) TakeOutcome(*at, ToView(rows.value()), slot);
  }
  // Rows that could not be read would make their legs look as if they waited.
  if (!rows.Valid() && !rows.status().ok()) {
    return FromRocksDb(rows.status(), "cannot read outcomes");
  }
  if (slot.state == AuditedSlot::State::kDamaged) {
    for (AuditedSlot::Leg& leg : slot.legs) leg.outcome = Outcome::kNone;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SpoolStore::ScanForAudit(const SegmentId& segment, Seq from, Seq end,
                                      const std::function<bool(const AuditedSlot&)>& visit) const {
  const spool::Key begin_slots = spool::MessageKey(segment, from);
  const spool::Key end_slots = spool::MessageKey(segment, end);
  const spool::Key begin_rows = spool::RecipientKey(segment, from, 0);
  const spool::Key end_rows = spool::RecipientKey(segment, end, 0);
  const rocksdb::Slice bounds[] = {ToSlice(begin_slots.view()), ToSlice(end_slots.view()),
                                   ToSlice(begin_rows.view()), ToSlice(end_rows.view())};
  const Moment moment(*impl_->database);
  const auto slots = moment.Iterate(Family::kMessage, bounds[0], bounds[1]);
  const auto rows = moment.Iterate(Family::kRecipient, bounds[2], bounds[3]);
  for (; slots->Valid(); slots->Next()) {
    auto id = spool::DecodeMessageKey(ToView(slots->key()));
    if (!id.ok()) return id.status();
    AuditedSlot slot = OfSlot(ToView(slots->value()));
    slot.seq = id->seq;
    absl::Status status = TakeOutcomes(*rows, slot);
    if (!status.ok()) return status;
    if (!visit(slot)) return absl::OkStatus();
  }
  return FromRocksDb(slots->status(), fmt::format("cannot audit {}", ToString(segment)));
}

}  // namespace fermo::node
