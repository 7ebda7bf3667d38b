// One node's disk: what a running process reads back, and what is left after
// the power went.
//
// Writes are applied in order, as in a write-ahead log: a synced write makes
// all earlier ones durable. A process that dies loses nothing that was applied;
// a machine that dies keeps what was synced and any prefix of the rest. A disk
// that lies loses the last of what it said to have synced, too.
#pragma once

#include <deque>
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
  void Distrust();     // from now on Lie may be called
  void Lie(Rng& rng);  // the power is gone; what was there before is remembered as lost
  // A boot: RocksDB flushes what it recovers from its log before it serves.
  void Open();
  void Wipe();  // what was on it is remembered as lost

  const test::VirtualDisk& live() const { return live_; }
  const test::VirtualDisk& durable() const { return durable_; }
  const std::vector<test::VirtualDisk>& lost() const { return lost_; }

 private:
  void Settle(size_t writes);  // so many of the tail are durable; the others are gone

  test::VirtualDisk live_;
  test::VirtualDisk durable_;
  std::vector<Ops> tail_;  // applied, not synced
  std::vector<test::VirtualDisk> lost_;
  bool lies_ = false;
  test::VirtualDisk certain_;  // of a disk that may lie: without its last synced writes
  std::deque<Ops> last_;       // those
};

}  // namespace fermo::sim
