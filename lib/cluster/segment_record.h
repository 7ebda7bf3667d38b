// What every holder of a segment knows about it, and the quorums that follow.
//
// Values and pure functions; no threads, no failure.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "lib/base/ids.h"

namespace fermo::cluster {

// Design section 4. Holders are recorded, never recomputed.
struct SegmentRecord {
  SegmentId id;
  std::vector<NodeId> holders;  // the writer first
  uint32_t list_version = 1;
  std::vector<NodeId> former_holders;
  uint32_t write_copies = 2;  // W, as of opening
  uint32_t min_regions = 2;
  Epoch epoch{1};
  NodeId owner;  // of that epoch
  bool sealed = false;
  // A list that an owner has proposed and that may be committed: until its fate
  // is known, a claim needs a quorum of either. Empty: none.
  std::vector<NodeId> next_holders;
  Epoch next_epoch;                  // of the claim that proposes it; 0: it is only being prepared
  std::vector<std::string> regions;  // the only ones that may hold copies; empty: all

  bool operator==(const SegmentRecord&) const = default;
  bool HasHolder(NodeId node) const;  // in the committed list
  bool Proposes(NodeId node) const;   // in the proposed list
  bool HadHolder(NodeId node) const;  // among the former holders
  // All who have, had or may have copies, each once.
  std::vector<NodeId> Everybody() const;
};

// W: copies that make a message durable.
uint32_t WriteQuorum(const SegmentRecord& record);
// Q = max(n-W+1, floor(n/2)+1): meets every write quorum and every other claim
// among `holders`, the record's committed or proposed list.
uint32_t ClaimQuorum(const SegmentRecord& record, const std::vector<NodeId>& holders);

}  // namespace fermo::cluster
