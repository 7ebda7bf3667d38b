#include "lib/cluster/seq_set.h"

namespace fermo::cluster {

std::vector<uint32_t> ToRanges(const SeqSet& set) {
  std::vector<uint32_t> bounds;
  for (uint32_t seq : set) {
    if (!bounds.empty() && bounds.back() == seq) {
      bounds.back() = seq + 1;
    } else {
      bounds.push_back(seq);
      bounds.push_back(seq + 1);
    }
  }
  return bounds;
}

absl::StatusOr<SeqSet> FromRanges(const std::vector<uint32_t>& bounds) {
  if (bounds.size() % 2 != 0) return absl::InvalidArgumentError("odd number of range bounds");
  SeqSet set;
  uint32_t last = 0;
  for (size_t i = 0; i < bounds.size(); i += 2) {
    const bool ascending = i == 0 || bounds[i] > last;
    if (!ascending || bounds[i + 1] <= bounds[i] || bounds[i + 1] > kMaxSeqs) {
      return absl::InvalidArgumentError("seq ranges are not ascending and bounded");
    }
    last = bounds[i + 1];
    set.addRange(bounds[i], bounds[i + 1]);
  }
  return set;
}

SeqSet SetOf(Seq seq) {
  SeqSet set;
  set.add(seq.value());
  return set;
}

}  // namespace fermo::cluster
