#include "node/replication/recovery.h"

#include <map>
#include <string>
#include <utility>

#include "fmt/format.h"
#include "lib/cluster/attempt_codec.h"

namespace fermo::node {
namespace {

using cluster::RecoveredSegment;

constexpr auto kTokenAge = std::chrono::minutes(5);

absl::Status Damaged(const SegmentId& id, const absl::Status& status) {
  return absl::DataLossError(fmt::format("segment {}: {}", ToString(id), status.ToString()));
}

bool IsPlain(const std::vector<spool::Outcome>& outcomes) {
  return outcomes.size() == 1 && outcomes[0] == spool::Outcome::kDelivered;
}

absl::Status TakeMessage(const StoredMessage& message, RecoveredSegment& segment) {
  const uint32_t seq = message.seq.value();
  switch (message.kind) {
    case StoredMessage::Kind::kAborted:
      segment.aborted.add(seq);
      return absl::OkStatus();
    case StoredMessage::Kind::kFinished:
      segment.finished.add(seq);
      if (!IsPlain(message.outcomes)) segment.odd[message.seq] = message.outcomes;
      return absl::OkStatus();
    case StoredMessage::Kind::kLive:
      break;
  }
  auto record = spool::DecodeMessageRecord(message.record);
  if (!record.ok()) return record.status();
  segment.held.add(seq);
  const auto legs = static_cast<uint32_t>(record->envelope.forward_paths.size());
  if (record->chunks != 1 || legs != 1) {
    segment.shapes[message.seq] = cluster::Shape{record->body, record->chunks, legs};
  }
  // Its sender may still ask what became of it.
  if (WallNow() - record->received_at < kTokenAge) segment.tokens[record->token] = message.seq;
  return absl::OkStatus();
}

absl::Status ScanOne(const SpoolStore& store, RecoveredSegment& segment) {
  const SegmentId id = segment.stored.record.id;
  absl::Status inner;
  absl::Status scanned = store.ScanMessages(id, Seq(0), [&](const StoredMessage& message) {
    inner = TakeMessage(message, segment);
    return inner.ok();
  });
  if (!inner.ok()) return Damaged(id, inner);
  if (!scanned.ok()) return Damaged(id, scanned);
  scanned = store.ScanOutcomes(id, [&segment](const spool::LegOutcome& outcome) {
    segment.outcomes.push_back(outcome);
    return true;
  });
  return scanned.ok() ? scanned : Damaged(id, scanned);
}

absl::Status ScanAttempts(const SpoolStore& store, Instant until,
                          std::map<SegmentId, RecoveredSegment>& segments) {
  return store.ScanMeta(cluster::kAttemptPrefix, [&](std::string_view key, std::string_view value) {
    auto message = cluster::ParseAttemptKey(key);
    auto attempt = cluster::DecodeAttempt(value);
    if (!message.ok() || !attempt.ok()) return true;  // unsynced hints, not mail
    auto segment = segments.find(message->segment);
    if (segment == segments.end()) return true;
    attempt->until = until;
    segment->second.heard[message->seq] = *attempt;
    return true;
  });
}

}  // namespace

absl::StatusOr<std::vector<RecoveredSegment>> RecoverSegments(const SpoolStore& store, Instant now,
                                                              Duration grace) {
  std::map<SegmentId, RecoveredSegment> segments;
  absl::Status inner;
  absl::Status scanned = store.ScanSegments([&](const SegmentId& id, std::string_view octets) {
    auto stored = cluster::DecodeStoredSegment(octets);
    if (!stored.ok()) {
      inner = Damaged(id, stored.status());
      return false;
    }
    segments[id].stored = *std::move(stored);
    return true;
  });
  if (!inner.ok()) return inner;
  if (!scanned.ok()) return scanned;
  for (auto& [id, segment] : segments) {
    if (segment.stored.closed) continue;
    if (absl::Status status = ScanOne(store, segment); !status.ok()) return status;
  }
  if (absl::Status status = ScanAttempts(store, now + grace, segments); !status.ok()) {
    return status;
  }
  std::vector<RecoveredSegment> result;
  result.reserve(segments.size());
  for (auto& [id, segment] : segments) result.push_back(std::move(segment));
  return result;
}

}  // namespace fermo::node
