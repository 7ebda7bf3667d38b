#include "tests/sim/sim_disk.h"

namespace fermo::sim {

void SimDisk::Apply(const Ops& ops, bool synced) {
  live_.Apply(*ops);
  tail_.push_back(ops);
  if (!synced) return;
  for (const Ops& written : tail_) durable_.Apply(*written);
  tail_.clear();
}

void SimDisk::LosePower(Rng& rng) {
  const uint64_t kept = rng.Uniform(tail_.size() + 1);
  for (uint64_t i = 0; i < kept; ++i) durable_.Apply(*tail_[i]);
  tail_.clear();
  live_ = durable_;
}

void SimDisk::Open() {
  for (const Ops& written : tail_) durable_.Apply(*written);
  tail_.clear();
}

void SimDisk::Wipe() {
  lost_.push_back(std::move(durable_));
  live_ = durable_ = test::VirtualDisk();
  tail_.clear();
}

}  // namespace fermo::sim
