#include "coordinator/operations/queue_pager.h"

#include <algorithm>
#include <utility>

namespace fermo::coordinator {
namespace {

// What a node was about to list may have been delivered meanwhile; but it must
// not be asked for ever.
constexpr int kMaxEmptyAnswers = 3;

}  // namespace

QueuePager::QueuePager(std::vector<NodeId> nodes, const std::optional<QueueCursor>& start,
                       size_t limit)
    : nodes_(std::move(nodes)), left_(limit) {
  std::sort(nodes_.begin(), nodes_.end());
  if (!start) return;
  const auto first = std::lower_bound(nodes_.begin(), nodes_.end(), start->node);
  index_ = first - nodes_.begin();
  if (first != nodes_.end() && *first == start->node) after_ = start->after;
}

std::optional<QueuePager::Ask> QueuePager::Next() const {
  if (index_ == nodes_.size() || left_ == 0) return std::nullopt;
  return Ask{nodes_[index_], after_, left_};
}

void QueuePager::Answered(size_t count, const std::string& last_id, bool more) {
  left_ -= std::min(count, left_);
  if (!more) return NextNode();
  if (count > 0) {
    after_ = last_id;
    empty_answers_ = 0;
  } else if (++empty_answers_ == kMaxEmptyAnswers) {
    NextNode();
  }
}

void QueuePager::Failed() { NextNode(); }

void QueuePager::NextNode() {
  ++index_;
  after_.clear();
  empty_answers_ = 0;
}

std::optional<QueueCursor> QueuePager::Cursor() const {
  if (index_ == nodes_.size()) return std::nullopt;
  return QueueCursor{nodes_[index_], after_};
}

}  // namespace fermo::coordinator
