// One seed's world: a cluster, its senders, a primary and their faults, from
// the first boot until all is healed and delivered.
//
// Everything follows from the seed. One thread; a run shares nothing with others.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/base/time.h"

namespace fermo::sim {

struct SimulationOptions {
  uint64_t seed = 1;
  uint32_t mails = 200;
  uint32_t faults = 10;
  bool keep_history = false;
};

struct SimulationResult {
  std::vector<std::string> violations;
  std::string history;  // if kept
  uint64_t accepted = 0;
  uint64_t duplicates = 0;  // each in a named window
  uint32_t faults = 0;
  Duration simulated{};
};

SimulationResult Simulate(const SimulationOptions& options);

}  // namespace fermo::sim
