#include "coordinator/operations/counts_service.h"

namespace fermo::coordinator {

void AddCounts(const fermoposta::v1::QueueCounts& more, fermoposta::v1::QueueCounts* sum) {
  sum->set_waiting(sum->waiting() + more.waiting());
  sum->set_messages(sum->messages() + more.messages());
  sum->set_bytes(sum->bytes() + more.bytes());
  const bool earlier = sum->oldest_millis() == 0 || more.oldest_millis() < sum->oldest_millis();
  if (more.oldest_millis() != 0 && earlier) sum->set_oldest_millis(more.oldest_millis());
}

}  // namespace fermo::coordinator
