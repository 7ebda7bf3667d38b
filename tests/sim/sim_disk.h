// One node's disk: what a running process reads back, and what is left after
// the power went.
//
// Writes are applied in order, as in a write-ahead log: a synced write makes
// all earlier ones durable. A process that dies loses nothing that was applied;
// a machine that dies keeps what was synced and any prefix of the rest.
#pragma once

#include <memory>
#include <vector>

#include "lib/base/random.h"
#include "lib/cluster/replica_types.h"
#include "tests/support/virtual_disk.h"

namespace fermo::sim {

class SimDisk {
 public:
  using Ops = std::shared_ptr<const std::vector<spool::WriteOp>>;

  void Apply(const Ops& ops, bool synced);
  void LosePower(Rng& rng);
  // A boot: RocksDB flushes what it recovers from its log before it serves.
  void Open();
  void Wipe();  // what was on it is remembered as lost

  const test::VirtualDisk& live() const { return live_; }
  const test::VirtualDisk& durable() const { return durable_; }
  const std::vector<test::VirtualDisk>& lost() const { return lost_; }

 private:
  test::VirtualDisk live_;
  test::VirtualDisk durable_;
  std::vector<Ops> tail_;  // applied, not synced
  std::vector<test::VirtualDisk> lost_;
};

}  // namespace fermo::sim
