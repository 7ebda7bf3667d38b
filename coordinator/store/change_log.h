// The most recent changes of a store, in memory, from which watches are fed.
//
// A plain value: no threads, no failure. Bounded by the number of changes;
// what falls out at the front can no longer be watched from.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <vector>

#include "coordinator/store/control_store.h"

namespace fermo::coordinator {

class ChangeLog {
 public:
  // `revision`: the last one that is not in this log. `capacity`: from 1.
  ChangeLog(uint64_t revision, size_t capacity);

  // REQUIRES: change.revision == last_revision() + 1.
  void Append(Change change);

  uint64_t last_revision() const { return last_revision_; }
  // The lowest revision from which Read can still serve.
  uint64_t first_revision() const { return last_revision_ + 1 - changes_.size(); }

  // At most `limit` changes from `from` on, reduced to the keys that start
  // with `prefix`; `*next` becomes the revision to go on from. Changes that
  // touch no such key are passed over. nullopt when `from` has fallen out.
  std::optional<std::vector<Change>> Read(std::string_view prefix, uint64_t from, size_t limit,
                                          uint64_t* next) const;

 private:
  uint64_t last_revision_;
  size_t capacity_;
  std::deque<Change> changes_;
};

}  // namespace fermo::coordinator
