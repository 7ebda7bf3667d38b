// The messages of one segment that still have a leg without an outcome: what
// the queue must know of each, in twelve octets for the usual message with one
// leg.
//
// Owned by DeliveryQueue, one thread. Nothing fails; REQUIRES are asserted.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "lib/base/time.h"
#include "node/delivery/domain_table.h"

namespace fermo::node {

struct LegEntry {
  DomainIndex domain = 0;
  bool done = false;  // has an outcome
};

class MessageTable {
 public:
  // Times are kept relative to `base`.
  explicit MessageTable(WallTime base) : base_(base) {}

  bool Contains(uint32_t seq) const { return Find(seq) != nullptr; }
  bool empty() const { return blocks_.empty(); }

  // REQUIRES: absent, and at least one leg is not done.
  void Insert(uint32_t seq, uint64_t size, WallTime received_at, std::vector<LegEntry> legs);
  // All REQUIRE: present.
  void Erase(uint32_t seq);
  void MarkDone(uint32_t seq, uint32_t leg);  // of a message with several legs
  uint64_t SizeOf(uint32_t seq) const;
  WallTime ReceivedAt(uint32_t seq) const;
  std::vector<LegEntry> LegsOf(uint32_t seq) const;

  // The first seq at or above `from`.
  std::optional<uint32_t> Next(uint32_t from) const;

 private:
  static constexpr uint32_t kBlock = 256;
  static constexpr DomainIndex kAbsent = 0xFFFFFFFF;
  static constexpr DomainIndex kSeveralLegs = 0xFFFFFFFE;  // they are in several_
  struct Slot {
    uint32_t size = 0;
    int32_t received_millis = 0;
    DomainIndex domain = kAbsent;
  };
  struct Block {
    std::array<Slot, kBlock> slots;
    uint32_t used = 0;
  };
  const Slot* Find(uint32_t seq) const;

  WallTime base_;
  absl::btree_map<uint32_t, std::unique_ptr<Block>> blocks_;  // by seq / kBlock
  absl::flat_hash_map<uint32_t, std::vector<LegEntry>> several_;
};

}  // namespace fermo::node
