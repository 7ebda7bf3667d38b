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

bool Allowed(const Member& member, const PlacementRules& rules) {
  if (member.draining) return false;
  if (rules.evicted != nullptr && rules.evicted->contains(member.node)) return false;
  const auto& regions = rules.regions;
  return regions.empty() ||
         std::find(regions.begin(), regions.end(), member.region) != regions.end();
}

bool Contains(const std::vector<NodeId>& nodes, NodeId node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

// Adds the best candidates to `holders`.
std::vector<NodeId> Fill(const Snapshot& snapshot, uint32_t copies,
                         std::vector<Candidate> candidates, std::vector<NodeId> holders) {
  std::set<std::string> used;
  for (NodeId holder : holders) {
    if (const Member* member = snapshot.FindMember(holder)) used.insert(member->region);
  }
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

}  // namespace

std::vector<NodeId> ChooseHolders(const SegmentId& segment, const Snapshot& snapshot,
                                  const PlacementRules& rules,
                                  const std::function<bool(NodeId)>& is_live) {
  std::vector<Candidate> candidates;
  for (const Member& member : snapshot.members) {
    if (member.node == segment.writer || !Allowed(member, rules)) continue;
    candidates.push_back({&member, is_live(member.node), Score(segment, member.node)});
  }
  return Fill(snapshot, rules.copies, std::move(candidates), {segment.writer});
}

std::vector<NodeId> FillHolders(const SegmentId& segment, const Snapshot& snapshot,
                                const PlacementRules& rules, std::vector<NodeId> kept,
                                const std::vector<NodeId>& barred,
                                const std::function<bool(NodeId)>& is_live) {
  std::vector<Candidate> candidates;
  for (const Member& member : snapshot.members) {
    if (Contains(kept, member.node) || Contains(barred, member.node)) continue;
    if (!Allowed(member, rules) || !is_live(member.node)) continue;
    candidates.push_back({&member, true, Score(segment, member.node)});
  }
  return Fill(snapshot, rules.copies, std::move(candidates), std::move(kept));
}

}  // namespace fermo::cluster
