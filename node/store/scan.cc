// Scans of the spool. Every iterator has bounds: without them it walks over
// whatever deletions lie behind the keys that are wanted.
#include <utility>

#include "fmt/format.h"
#include "lib/spool/keys.h"
#include "lib/spool/slot.h"
#include "node/store/spool_store_impl.h"
#include "node/store/status.h"

namespace fermo::node {
namespace {

rocksdb::Slice ToSlice(std::string_view octets) { return {octets.data(), octets.size()}; }
std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

absl::Status ContinueIf(bool wanted) {
  return wanted ? absl::OkStatus() : absl::CancelledError("enough");
}

absl::Status Damaged(const MessageId& id, std::string_view what, const absl::Status& reason) {
  return absl::DataLossError(fmt::format("{} {}: {}", what, ToString(id), reason.ToString()));
}

StoredMessage ToStoredMessage(Seq seq, spool::Slot slot) {
  StoredMessage message;
  message.seq = seq;
  switch (slot.kind) {
    case spool::Slot::Kind::kLive:
      message.kind = StoredMessage::Kind::kLive;
      message.record = std::string(slot.record);
      break;
    case spool::Slot::Kind::kAborted:
      message.kind = StoredMessage::Kind::kAborted;
      break;
    case spool::Slot::Kind::kFinished:
      message.kind = StoredMessage::Kind::kFinished;
      message.outcomes = std::move(slot.outcomes);
      break;
  }
  return message;
}

}  // namespace

absl::StatusOr<std::string> SpoolStore::Impl::Get(Family family, std::string_view key,
                                                  std::string_view what) const {
  std::string value;
  rocksdb::Status status =
      (*database)->Get(rocksdb::ReadOptions(), database->family(family), ToSlice(key), &value);
  if (!status.ok()) return FromRocksDb(status, fmt::format("cannot read {}", what));
  return value;
}

absl::Status SpoolStore::Impl::Scan(Family family, std::string_view begin, std::string_view end,
                                    std::string_view what, const Visit& visit) const {
  rocksdb::Slice lower = ToSlice(begin);
  rocksdb::Slice upper = ToSlice(end);
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  options.background_purge_on_iterator_cleanup = true;
  options.iterate_lower_bound = &lower;
  if (!end.empty()) options.iterate_upper_bound = &upper;
  std::unique_ptr<rocksdb::Iterator> it(
      (*database)->NewIterator(options, database->family(family)));
  for (it->Seek(lower); it->Valid(); it->Next()) {
    absl::Status status = visit(ToView(it->key()), ToView(it->value()));
    if (absl::IsCancelled(status)) return absl::OkStatus();
    if (!status.ok()) return status;
  }
  return FromRocksDb(it->status(), fmt::format("cannot scan {}", what));
}

absl::Status SpoolStore::ScanSegments(
    const std::function<bool(const SegmentId&, std::string_view octets)>& visit) const {
  return impl_->Scan(Family::kSegment, "", "", "the segments",
                     [&visit](std::string_view key, std::string_view value) {
                       auto id = spool::DecodeSegmentKey(key);
                       if (!id.ok()) return id.status();
                       return ContinueIf(visit(*id, value));
                     });
}

absl::Status SpoolStore::ScanMessages(
    const SegmentId& segment, Seq from,
    const std::function<bool(const StoredMessage&)>& visit) const {
  spool::Key begin = spool::MessageKey(segment, from);
  std::string end = spool::EndOfPrefix(spool::SegmentKey(segment).view());
  return impl_->Scan(Family::kMessage, begin.view(), end,
                     fmt::format("the messages of {}", ToString(segment)),
                     [&visit](std::string_view key, std::string_view value) {
                       auto id = spool::DecodeMessageKey(key);
                       if (!id.ok()) return id.status();
                       auto slot = spool::DecodeSlot(value);
                       if (!slot.ok()) return Damaged(*id, "message", slot.status());
                       return ContinueIf(visit(ToStoredMessage(id->seq, *std::move(slot))));
                     });
}

absl::Status SpoolStore::ScanOutcomes(
    const SegmentId& segment, const std::function<bool(const spool::LegOutcome&)>& visit) const {
  spool::Key begin = spool::SegmentKey(segment);
  std::string end = spool::EndOfPrefix(begin.view());
  return impl_->Scan(
      Family::kRecipient, begin.view(), end, fmt::format("the outcomes of {}", ToString(segment)),
      [&visit](std::string_view key, std::string_view value) {
        auto at = spool::DecodeRecipientKey(key);
        if (!at.ok()) return at.status();
        auto outcome = spool::DecodeLegOutcome(at->seq, at->leg, value);
        if (!outcome.ok()) {
          return Damaged({at->segment, at->seq}, "outcome of message", outcome.status());
        }
        return ContinueIf(visit(*outcome));
      });
}

absl::Status SpoolStore::ScanMeta(
    std::string_view prefix,
    const std::function<bool(std::string_view key, std::string_view value)>& visit) const {
  return impl_->Scan(Family::kMeta, prefix, spool::EndOfPrefix(prefix), "meta",
                     [&visit](std::string_view key, std::string_view value) {
                       return ContinueIf(visit(key, value));
                     });
}

}  // namespace fermo::node
