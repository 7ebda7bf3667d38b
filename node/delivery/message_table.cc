#include "node/delivery/message_table.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

namespace fermo::node {

const MessageTable::Slot* MessageTable::Find(uint32_t seq) const {
  const auto it = blocks_.find(seq / kBlock);
  if (it == blocks_.end()) return nullptr;
  const Slot& slot = it->second->slots[seq % kBlock];
  return slot.domain == kAbsent ? nullptr : &slot;
}

void MessageTable::Insert(uint32_t seq, uint64_t size, WallTime received_at,
                          std::vector<LegEntry> legs) {
  assert(!Contains(seq) && !legs.empty());
  std::unique_ptr<Block>& block = blocks_[seq / kBlock];
  if (block == nullptr) block = std::make_unique<Block>();
  Slot& slot = block->slots[seq % kBlock];
  ++block->used;
  constexpr uint64_t kMaxSize = std::numeric_limits<uint32_t>::max();
  slot.size = static_cast<uint32_t>(std::min(size, kMaxSize));
  // Within a segment times differ by hours; a clock that jumped by weeks is cut off.
  const int64_t millis = (received_at - base_).count();
  slot.received_millis = static_cast<int32_t>(std::clamp<int64_t>(
      millis, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()));
  slot.domain = legs.size() == 1 ? legs[0].domain : kSeveralLegs;
  if (legs.size() > 1) several_[seq] = std::move(legs);
}

void MessageTable::Erase(uint32_t seq) {
  assert(Contains(seq));
  const auto it = blocks_.find(seq / kBlock);
  it->second->slots[seq % kBlock] = Slot();
  if (--it->second->used == 0) blocks_.erase(it);
  several_.erase(seq);
}

void MessageTable::MarkDone(uint32_t seq, uint32_t leg) {
  const auto it = several_.find(seq);
  assert(it != several_.end() && leg < it->second.size());
  it->second[leg].done = true;
}

uint64_t MessageTable::SizeOf(uint32_t seq) const {
  const Slot* slot = Find(seq);
  assert(slot != nullptr);
  return slot->size;
}

WallTime MessageTable::ReceivedAt(uint32_t seq) const {
  const Slot* slot = Find(seq);
  assert(slot != nullptr);
  return base_ + std::chrono::milliseconds(slot->received_millis);
}

std::vector<LegEntry> MessageTable::LegsOf(uint32_t seq) const {
  const Slot* slot = Find(seq);
  assert(slot != nullptr);
  if (slot->domain == kSeveralLegs) return several_.find(seq)->second;
  return {LegEntry{slot->domain, false}};
}

std::optional<uint32_t> MessageTable::Next(uint32_t from) const {
  for (auto it = blocks_.lower_bound(from / kBlock); it != blocks_.end(); ++it) {
    const uint32_t first = it->first == from / kBlock ? from % kBlock : 0;
    for (uint32_t i = first; i < kBlock; ++i) {
      if (it->second->slots[i].domain != kAbsent) return it->first * kBlock + i;
    }
  }
  return std::nullopt;
}

}  // namespace fermo::node
