#include "coordinator/operations/sole_copies.h"

#include <algorithm>
#include <set>

namespace fermo::coordinator {
namespace {

bool Counts(const HeldCopy& copy, NodeId node) {
  return copy.holders.empty() || std::ranges::find(copy.holders, node) != copy.holders.end();
}

}  // namespace

SoleCopies CountSoleCopies(NodeId leaving, const std::vector<Holdings>& nodes) {
  SoleCopies sole;
  std::set<SegmentId> elsewhere;
  bool others_answer = true;
  const Holdings* own = nullptr;
  for (const Holdings& node : nodes) {
    if (node.node == leaving) {
      if (node.answered) own = &node;
      continue;
    }
    others_answer = others_answer && node.answered;
    for (const HeldCopy& copy : node.held) {
      if (node.answered && Counts(copy, node.node)) elsewhere.insert(copy.segment);
    }
  }
  sole.known = own || others_answer;
  if (!own) return sole;
  for (const HeldCopy& copy : own->held) {
    if (!Counts(copy, leaving) || elsewhere.contains(copy.segment)) continue;
    if (copy.messages == 0) continue;
    sole.messages += copy.messages;
    ++sole.segments;
  }
  return sole;
}

}  // namespace fermo::coordinator
