#include "coordinator/store/change_log.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace fermo::coordinator {

ChangeLog::ChangeLog(uint64_t revision, size_t capacity)
    : last_revision_(revision), capacity_(std::max<size_t>(capacity, 1)) {}

void ChangeLog::Append(Change change) {
  if (change.revision != last_revision_ + 1) std::abort();  // a gap would be lost silently
  last_revision_ = change.revision;
  changes_.push_back(std::move(change));
  if (changes_.size() > capacity_) changes_.pop_front();
}

std::optional<std::vector<Change>> ChangeLog::Read(std::string_view prefix, uint64_t from,
                                                   size_t limit, uint64_t* next) const {
  *next = from;
  if (from < first_revision()) return std::nullopt;
  std::vector<Change> found;
  while (*next <= last_revision_ && found.size() < limit) {
    const Change& change = changes_[*next - first_revision()];
    Change reduced;
    reduced.revision = change.revision;
    for (const Mutation& mutation : change.mutations) {
      if (mutation.key.starts_with(prefix)) reduced.mutations.push_back(mutation);
    }
    if (!reduced.mutations.empty()) found.push_back(std::move(reduced));
    ++*next;
  }
  return found;
}

}  // namespace fermo::coordinator
