#include "node/store/fatal_latch.h"

namespace fermo::node {

void FatalLatch::Trip(const absl::Status& reason) {
  {
    std::lock_guard lock(mutex_);
    if (!reason_.ok()) return;
    reason_ = reason;
    tripped_.store(true, std::memory_order_release);
  }
  if (on_fatal_) on_fatal_(reason);
}

absl::Status FatalLatch::reason() const {
  std::lock_guard lock(mutex_);
  return reason_;
}

}  // namespace fermo::node
