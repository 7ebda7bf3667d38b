// Random numbers from a seed, so that every run can be repeated.
//
// An Rng belongs to whoever made it and is not thread-safe: give each executor
// its own. Pure code receives an Rng& and never asks the machine for entropy.
// Not for secrets: whoever needs unpredictable octets uses OpenSSL.
#pragma once

#include <cstdint>
#include <limits>

#include "lib/base/time.h"

namespace fermo {

// xoshiro256** with its state filled by splitmix64. Also a C++ uniform random
// bit generator, so that it fits <random> and std::shuffle.
class Rng {
 public:
  using result_type = uint64_t;

  explicit Rng(uint64_t seed);

  uint64_t NextU64();
  // A number in [0, n), each equally likely. REQUIRES: n > 0.
  uint64_t Uniform(uint64_t n);
  // A number in [0, 1).
  double UnitInterval();
  // True with probability p.
  bool OneIn(double p) { return UnitInterval() < p; }
  // A duration in [d * (1 - fraction), d * (1 + fraction)], never negative.
  // REQUIRES: 0 <= fraction <= 1.
  Duration Jitter(Duration d, double fraction);

  static constexpr uint64_t min() { return 0; }
  static constexpr uint64_t max() { return std::numeric_limits<uint64_t>::max(); }
  uint64_t operator()() { return NextU64(); }

 private:
  uint64_t state_[4];
};

// A seed from the operating system. Aborts if the system has none to give.
uint64_t RandomSeed();

}  // namespace fermo
