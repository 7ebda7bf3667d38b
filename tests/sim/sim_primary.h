// The domain's primary: up or down, slow or quick, and now and then refusing a
// leg or losing its reply.
//
// Owned by the Simulation, one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "lib/base/random.h"
#include "lib/base/time.h"

namespace fermo::sim {

struct SimPrimary {
  bool up = false;
  Duration latency = std::chrono::milliseconds(2);
  double loses_reply = 0;  // has the mail, but its answer never comes
  double refuses_leg = 0;  // with 4yz
};

}  // namespace fermo::sim
