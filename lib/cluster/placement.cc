#include "lib/cluster/placement.h"

#include <algorithm>
#include <set>
#include <string>
#include <tuple>

namespace fermo::cluster {
namespace {

// splitmix64's finaliser: spreads every bit of the input over the output.
uint64_t Mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// Rendezvous hashing (Thaler and Ravishankar, 1998): each node scores each
// segment by itself, so that a node that comes or goes moves only its share.
uint64_t Score(const SegmentId& segment, NodeId node) {
  uint64_t series =
      Mix(segment.writer.value()) ^ Mix((uint64_t{segment.boot} << 32) | segment.number);
  return Mix(series ^ Mix(node.value()));
}

struct Candidate {
  const Member* member;
  bool live;
  uint64_t score;
};

bool IsEvicted(const Snapshot& snapshot, NodeId node) {
  return std::find(snapshot.evicted.begin(), snapshot.evicted.end(), node) !=
         snapshot.evicted.end();
}

}  // namespace

std::vector<NodeId> ChooseHolders(const SegmentId& segment, const Snapshot& snapshot,
                                  uint32_t copies, const std::function<bool(NodeId)>& is_live) {
  std::vector<Candidate> candidates;
  for (const Member& member : snapshot.members) {
    if (member.node == segment.writer || IsEvicted(snapshot, member.node)) continue;
    candidates.push_back({&member, is_live(member.node), Score(segment, member.node)});
  }
  std::vector<NodeId> holders{segment.writer};
  std::set<std::string> used;
  if (const Member* writer = snapshot.FindMember(segment.writer)) used.insert(writer->region);
  while (holders.size() < copies && !candidates.empty()) {
    auto best = std::max_element(
        candidates.begin(), candidates.end(), [&used](const Candidate& a, const Candidate& b) {
          return std::tuple(a.live, !used.contains(a.member->region), a.score) <
                 std::tuple(b.live, !used.contains(b.member->region), b.score);
        });
    holders.push_back(best->member->node);
    used.insert(best->member->region);
    candidates.erase(best);
  }
  return holders;
}

}  // namespace fermo::cluster
