#include "lib/spool/retry.h"

#include <algorithm>

namespace fermo::spool {

Duration NextDelay(uint32_t attempt, Rng& rng, const BackOff& back_off) {
  Duration delay = back_off.first;
  for (uint32_t i = 1; i < attempt && delay < back_off.max; ++i) {
    delay = delay > back_off.max / 2 ? back_off.max : delay * 2;
  }
  delay = std::min(delay, back_off.max);
  uint64_t quarter = static_cast<uint64_t>(delay.count()) / 4;
  return delay - Duration(static_cast<int64_t>(rng.Uniform(quarter + 1)));
}

}  // namespace fermo::spool
