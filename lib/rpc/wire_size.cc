// What a message takes in a frame: an upper bound, so that a queue that is
// within its limit really is. No conversion is made for it.
#include "lib/rpc/convert_replication.h"
#include "lib/rpc/convert_replication_internal.h"

namespace fermo::rpc {
namespace {

constexpr size_t kFixedSize = 320;   // segment record and framing
constexpr size_t kRangeSize = 8;     // two bounds below kMaxSeqs
constexpr size_t kOutcomeSize = 48;  // without its reply
constexpr size_t kInFlightSize = 44;
constexpr size_t kFewRanges = 64;

// Of ranges; a dense set has few, however many seqs are in it.
size_t Ranges(const cluster::SeqSet& set) {
  const uint64_t count = set.cardinality();
  if (count == 0) return 0;
  // Between two ranges at least one seq is missing.
  const uint64_t missing = uint64_t{set.maximum()} - set.minimum() + 1 - count;
  const uint64_t most = std::min(count, missing + 1);
  return most <= kFewRanges ? most : cluster::ToRanges(set).size() / 2;
}

size_t SizeOf(const cluster::SeqSet& set) { return kRangeSize * Ranges(set); }

size_t SizeOf(const std::vector<spool::LegOutcome>& outcomes, bool with_replies = true) {
  size_t size = kOutcomeSize * outcomes.size();
  if (!with_replies) return size;
  for (const auto& outcome : outcomes) size += detail::ReplySize(outcome);
  return size;
}

size_t SizeOf(const std::vector<cluster::FinishedMessage>& messages) {
  size_t size = 0;
  for (const auto& finished : messages) size += 12 + finished.outcomes.size();
  return size;
}

size_t SizeOf(const cluster::Append& m) {
  return kFixedSize + m.record->size() + (m.chunk ? m.chunk->size() : 0);
}
size_t SizeOf(const cluster::Chunk& m) { return kFixedSize + m.octets->size(); }
size_t SizeOf(const cluster::Outcomes& m) { return kFixedSize + SizeOf(m.outcomes); }
size_t SizeOf(const cluster::Inventory& m) {
  return kFixedSize + SizeOf(m.held) + SizeOf(m.aborted) + SizeOf(m.finished) + SizeOf(m.odd) +
         SizeOf(m.outcomes, detail::TellsReplies(m));
}
size_t SizeOf(const cluster::Finish& m) { return kFixedSize + SizeOf(m.messages); }
size_t SizeOf(const cluster::Abort& m) { return kFixedSize + SizeOf(m.seqs); }
size_t SizeOf(const cluster::Fetch& m) { return kFixedSize + SizeOf(m.seqs); }
size_t SizeOf(const cluster::Stored& m) { return kFixedSize + SizeOf(m.seqs); }
size_t SizeOf(const cluster::OutcomesStored& m) { return kFixedSize + 16 * m.legs.size(); }
size_t SizeOf(const cluster::Close& m) {
  return kFixedSize + SizeOf(m.finished) + SizeOf(m.aborted);
}
size_t SizeOf(const cluster::CloseAnswer& m) { return kFixedSize + SizeOf(m.missing); }

size_t SizeOf(const cluster::Heartbeat& m) { return kFixedSize * (1 + m.segments.size()); }
size_t SizeOf(const cluster::HeartbeatAnswer& m) { return kFixedSize * (1 + m.refused.size()); }
size_t SizeOf(const cluster::Announce& m) { return kFixedSize + 4 * m.legs.size(); }
size_t SizeOf(const cluster::AnnounceAnswer& m) { return kFixedSize + SizeOf(m.known); }
size_t SizeOf(const cluster::Withdraw& m) { return kFixedSize + SizeOf(m.outcomes); }
size_t SizeOf(const cluster::Claim& m) {
  return 2 * kFixedSize + kInFlightSize * m.in_flight.size();
}
size_t SizeOf(const cluster::Promise& m) {
  return kFixedSize + SizeOf(m.inventory) + kInFlightSize * m.in_flight.size();
}

// The rest: segments and numbers, at most a record of a segment and a name of one.
template <class T>
size_t SizeOf(const T&) {
  return 2 * kFixedSize;
}

}  // namespace

size_t WireSize(const cluster::DataMessage& message) {
  return std::visit([](const auto& m) { return SizeOf(m); }, message);
}

size_t WireSize(const cluster::ControlMessage& message) {
  return std::visit([](const auto& m) { return SizeOf(m); }, message);
}

}  // namespace fermo::rpc
