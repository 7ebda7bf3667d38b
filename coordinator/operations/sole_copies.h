// Counts the messages that may be lost with a node: those of which no other
// node that answers has a copy that counts.
//
// Pure; no failure. A copy counts when the committed list of holders, as its
// own node knows it, names that node: what a repair has only begun to copy does
// not. Segments are taken whole, since a node that has heard of more outcomes
// holds fewer unfinished messages and lacks none.
#pragma once

#include <cstdint>
#include <vector>

#include "lib/base/ids.h"

namespace fermo::coordinator {

// A segment of which a node keeps messages that are not finished.
struct HeldCopy {
  SegmentId segment;
  uint64_t messages = 0;
  std::vector<NodeId> holders;  // as this node knows them; none: it does not say
};

struct Holdings {
  NodeId node;
  bool answered = false;
  std::vector<HeldCopy> held;
};

struct SoleCopies {
  // False: the leaving node does not answer and neither do all others, so that
  // nobody can say what only those may have.
  bool known = true;
  uint64_t messages = 0;
  uint64_t segments = 0;  // that these are of
};

// `nodes`: all members, the leaving one among them. When it does not answer and
// all others do, every segment that anybody speaks of has a copy elsewhere.
SoleCopies CountSoleCopies(NodeId leaving, const std::vector<Holdings>& nodes);

}  // namespace fermo::coordinator
