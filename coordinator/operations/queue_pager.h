// Puts one page of the queue together from the nodes, one after another in
// the order of their ids, each from where the last page ended.
//
//   while (auto ask = pager.Next()) { ask the node; pager.Answered or Failed }
//   pager.Cursor()  // where the next page goes on; nullopt: this was the last
//
// A pure state machine. A node that fails is passed over; one that has been
// evicted since the last page is too.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/operations/page_token.h"
#include "lib/base/ids.h"

namespace fermo::coordinator {

class QueuePager {
 public:
  struct Ask {
    NodeId node;
    std::string after;  // message id, exclusive; empty: from the first
    size_t limit = 0;
    bool operator==(const Ask&) const = default;
  };

  // `nodes` in any order; `limit` from 1.
  QueuePager(std::vector<NodeId> nodes, const std::optional<QueueCursor>& start, size_t limit);

  // The next question; nullopt when the page is full or no node is left.
  std::optional<Ask> Next() const;
  // What the node asked gave: `count` messages up to `last_id`, and whether it
  // has more. REQUIRES: Next() had a question.
  void Answered(size_t count, const std::string& last_id, bool more);
  void Failed();

  std::optional<QueueCursor> Cursor() const;

 private:
  void NextNode();

  std::vector<NodeId> nodes_;  // ascending
  size_t index_ = 0;
  std::string after_;
  int empty_answers_ = 0;  // in a row, of this node, that promised more
  size_t left_;
};

}  // namespace fermo::coordinator
