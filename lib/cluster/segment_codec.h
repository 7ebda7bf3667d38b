// What a holder keeps of a segment, and how it looks on its disk
// (docs/record-format.md).
//
// Values; no threads. Decoding refuses unknown versions, damage, truncation
// and trailing octets with DataLoss; encoding cannot fail.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/base/ids.h"
#include "lib/cluster/segment_record.h"

namespace fermo::cluster {

// The record that all holders share, and this holder's own part.
struct StoredSegment {
  SegmentRecord record;
  Epoch promised;      // the highest epoch promised here
  NodeId promised_to;  // by whom it was claimed; 0 while there is no promise
  bool closed = false;
  // Of a closed segment: half-open ranges of seqs, flat and strictly
  // ascending (begin0, end0, begin1, ...).
  std::vector<uint32_t> finished_ranges;
  std::vector<uint32_t> aborted_ranges;

  bool operator==(const StoredSegment&) const = default;
};

// REQUIRES: the ranges are as described above.
std::string Encode(const StoredSegment& segment);
absl::StatusOr<StoredSegment> DecodeStoredSegment(std::string_view octets);

}  // namespace fermo::cluster
