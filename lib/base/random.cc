#include "lib/base/random.h"

#include <sys/random.h>

#include <bit>
#include <cstdlib>

namespace fermo {

// splitmix64: spreads any seed, also 0, over the whole state.
Rng::Rng(uint64_t seed) {
  for (uint64_t& word : state_) {
    seed += 0x9e3779b97f4a7c15;
    uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    word = z ^ (z >> 31);
  }
}

// xoshiro256** by Blackman and Vigna.
uint64_t Rng::NextU64() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

// Lemire's multiplication, with the rejection that makes it exact.
uint64_t Rng::Uniform(uint64_t n) {
  using Wide = unsigned __int128;
  const uint64_t reject_below = (0 - n) % n;
  for (;;) {
    const Wide product = Wide{NextU64()} * n;
    if (static_cast<uint64_t>(product) >= reject_below) return static_cast<uint64_t>(product >> 64);
  }
}

double Rng::UnitInterval() { return static_cast<double>(NextU64() >> 11) * 0x1.0p-53; }

Duration Rng::Jitter(Duration d, double fraction) {
  const double factor = 1.0 + fraction * (2.0 * UnitInterval() - 1.0);
  const double jittered = static_cast<double>(d.count()) * factor;
  return Duration(jittered <= 0 ? 0 : static_cast<Duration::rep>(jittered));
}

uint64_t RandomSeed() {
  uint64_t seed = 0;
  // Up to 256 octets are never interrupted once the pool is initialised, so
  // anything short means a machine without entropy: nothing to go on with.
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed) std::abort();
  return seed;
}

}  // namespace fermo
