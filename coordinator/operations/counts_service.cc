#include "coordinator/operations/counts_service.h"

#include <algorithm>

namespace fermo::coordinator {

void AddCounts(const fermoposta::v1::QueueCounts& more, fermoposta::v1::QueueCounts* sum) {
  sum->set_waiting(sum->waiting() + more.waiting());
  sum->set_messages(sum->messages() + more.messages());
  sum->set_bytes(sum->bytes() + more.bytes());
  const bool earlier = sum->oldest_millis() == 0 || more.oldest_millis() < sum->oldest_millis();
  if (more.oldest_millis() != 0 && earlier) sum->set_oldest_millis(more.oldest_millis());
}

void OwnerlessCounter::Add(const fermoposta::v1::NodeStatus& status) {
  for (const auto& held : status.held_segments()) {
    Held& known = segments_[{held.id().writer(), held.id().boot(), held.id().number()}];
    known.owned = known.owned || held.owned();
    known.messages = std::max(known.messages, held.messages());
  }
}

uint64_t OwnerlessCounter::Messages() const {
  uint64_t sum = 0;
  for (const auto& [id, held] : segments_) sum += held.owned ? 0 : held.messages;
  return sum;
}

}  // namespace fermo::coordinator
