// The identifiers of Fermoposta, as types that cannot be mixed up.
//
// Values; no ownership, no threads. Parsing foreign text returns
// InvalidArgument; nothing else fails.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace fermo {

// A number with a meaning of its own: explicit to make, ordered, hashable.
template <class Tag, class Rep>
class StrongId {
 public:
  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep value) : value_(value) {}
  constexpr Rep value() const { return value_; }
  constexpr auto operator<=>(const StrongId&) const = default;

  template <class H>
  friend H AbslHashValue(H h, StrongId id) {
    return H::combine(std::move(h), id.value_);
  }

 private:
  Rep value_ = 0;
};

// 64 random bits that a node draws when its data directory is made; 0 is nobody.
using NodeId = StrongId<struct NodeIdTag, uint64_t>;
// Position of a message in its segment, dense from 0.
using Seq = StrongId<struct SeqTag, uint32_t>;
// Number of an ownership of a segment, from 1; a higher one fences a lower one.
using Epoch = StrongId<struct EpochTag, uint64_t>;

// A series of messages accepted by one node (`writer`) during one boot.
struct SegmentId {
  NodeId writer;
  uint32_t boot = 0;
  uint32_t number = 0;
  auto operator<=>(const SegmentId&) const = default;

  template <class H>
  friend H AbslHashValue(H h, const SegmentId& id) {
    return H::combine(std::move(h), id.writer, id.boot, id.number);
  }
};

struct MessageId {
  SegmentId segment;
  Seq seq;
  auto operator<=>(const MessageId&) const = default;

  template <class H>
  friend H AbslHashValue(H h, const MessageId& id) {
    return H::combine(std::move(h), id.segment, id.seq);
  }
};

// "5f3a9c0e12b47d68": 16 lower-case hex digits.
std::string ToString(NodeId id);
// "5f3a9c0e12b47d68-3-1": writer, boot, number, in hex.
std::string ToString(const SegmentId& id);
// "5f3a9c0e12b47d68-3-1-2a": segment and seq, in hex. This is what `250` names.
std::string ToString(const MessageId& id);

absl::StatusOr<NodeId> ParseNodeId(std::string_view text);
absl::StatusOr<SegmentId> ParseSegmentId(std::string_view text);
absl::StatusOr<MessageId> ParseMessageId(std::string_view text);

}  // namespace fermo
