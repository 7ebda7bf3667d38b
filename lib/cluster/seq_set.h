// Sets of seqs: compressed bitmaps in memory, ranges on the wire and on disk.
//
// Values; no threads. FromRanges refuses foreign nonsense with InvalidArgument.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/base/ids.h"
#include "roaring/roaring.hh"

namespace fermo::cluster {

using SeqSet = Roaring;

// No segment numbers its messages beyond this.
inline constexpr uint32_t kMaxSeqs = 1u << 24;

// Half-open ranges, ascending: begin0, end0, begin1, end1, ...
std::vector<uint32_t> ToRanges(const SeqSet& set);
// REQUIRES ascending, non-empty ranges that end at or below kMaxSeqs.
absl::StatusOr<SeqSet> FromRanges(const std::vector<uint32_t>& bounds);

SeqSet SetOf(Seq seq);
inline bool Contains(const SeqSet& set, Seq seq) { return set.contains(seq.value()); }

}  // namespace fermo::cluster
