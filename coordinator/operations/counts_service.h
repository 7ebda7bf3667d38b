// Sums of queue counts over nodes. Pure; no failure.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>

#include "fermoposta/v1/node_operations.pb.h"

namespace fermo::coordinator {

// Adds up; the oldest is the earlier of those that are set.
void AddCounts(const fermoposta::v1::QueueCounts& more, fermoposta::v1::QueueCounts* sum);

// Messages that nobody counts because nobody owns their segment at the moment:
// of each such segment, what its fullest copy holds.
class OwnerlessCounter {
 public:
  void Add(const fermoposta::v1::NodeStatus& status);
  uint64_t Messages() const;

 private:
  struct Held {
    bool owned = false;
    uint64_t messages = 0;
  };
  std::map<std::tuple<uint64_t, uint32_t, uint32_t>, Held> segments_;
};

}  // namespace fermo::coordinator
