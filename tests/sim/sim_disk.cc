#include "tests/sim/sim_disk.h"

namespace fermo::sim {
namespace {

constexpr size_t kLies = 40;  // writes that a lying disk may lose

}  // namespace

void SimDisk::Apply(const Ops& ops, bool synced) {
  live_.Apply(*ops);
  tail_.push_back(ops);
  if (!synced) return;
  Settle(tail_.size());
}

void SimDisk::Settle(size_t writes) {
  for (size_t i = 0; i < writes; ++i) {
    durable_.Apply(*tail_[i]);
    if (lies_) last_.push_back(tail_[i]);
  }
  tail_.clear();
  for (; last_.size() > kLies; last_.pop_front()) certain_.Apply(*last_.front());
}

void SimDisk::LosePower(Rng& rng) {
  Settle(rng.Uniform(tail_.size() + 1));
  live_ = durable_;
}

void SimDisk::Distrust() {
  lies_ = true;
  certain_ = durable_;
}

void SimDisk::Lie(Rng& rng) {
  lost_.push_back(durable_);
  const size_t kept = rng.Uniform(last_.size() + 1);
  for (size_t i = 0; i < kept; ++i) certain_.Apply(*last_[i]);
  last_.clear();
  live_ = durable_ = certain_;
}

void SimDisk::Open() { Settle(tail_.size()); }

void SimDisk::Wipe() {
  lost_.push_back(std::move(durable_));
  live_ = durable_ = certain_ = test::VirtualDisk();
  tail_.clear();
  last_.clear();
}

}  // namespace fermo::sim
