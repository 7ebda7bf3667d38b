#include "coordinator/operations/leaving.h"

#include <map>
#include <set>

#include "coordinator/operations/redundancy.h"
#include "fmt/format.h"

namespace fermo::coordinator {
namespace {

const NodeFacts* Find(const std::vector<NodeFacts>& nodes, NodeId node) {
  for (const NodeFacts& facts : nodes) {
    if (facts.member.node == node) return &facts;
  }
  return nullptr;
}

// Where copies can go once the node has left.
std::vector<std::string> PlacesLeft(const MemberRecord& leaving,
                                    const std::vector<NodeFacts>& nodes) {
  std::vector<std::string> places;
  for (const NodeFacts& node : nodes) {
    const bool stays = node.member.node != leaving.node && !node.member.draining;
    if (stays && node.answered) places.push_back(node.member.region);
  }
  return places;
}

// What could not be made durable any more: all mail, or that of domains that
// only some regions may hold.
std::vector<std::string> Shortfalls(const ClusterView& view, const MemberRecord& leaving,
                                    const std::vector<NodeFacts>& nodes) {
  const std::vector<std::string> places = PlacesLeft(leaving, nodes);
  const Needed needed = NeededBy(nodes);
  const std::string general = Shortfall(places, needed);
  if (!general.empty()) return {fmt::format("without {} {}", leaving.name, general)};
  std::vector<std::string> found;
  std::set<std::vector<std::string>> seen;  // many domains, few sets of regions
  for (const auto& [name, domain] : view.domains) {
    if (domain.regions.empty() || !seen.insert(domain.regions).second) continue;
    const std::string missing = Shortfall(Within(places, domain.regions), needed);
    if (missing.empty()) continue;
    found.push_back(fmt::format("in the regions of domain {} ({}), without {} {}", name,
                                fmt::join(domain.regions, ", "), leaving.name, missing));
  }
  return found;
}

void WarnOfFewer(const MemberRecord& leaving, const std::vector<NodeFacts>& nodes,
                 std::vector<std::string>* warnings) {
  const size_t left = PlacesLeft(leaving, nodes).size();
  const Needed needed = NeededBy(nodes);
  if (left >= needed.copies) return;
  warnings->push_back(
      fmt::format("{} will be left, fewer than the {} copies that each message should have.",
                  Some(left, "node"), needed.copies));
}

void WarnOfNotReady(const MemberRecord& leaving, const std::vector<NodeFacts>& nodes,
                    std::vector<std::string>* warnings) {
  for (const NodeFacts& node : nodes) {
    if (node.member.node == leaving.node || !node.answered || node.ready) continue;
    if (node.member.draining) continue;
    warnings->push_back(
        fmt::format("Node {} (region {}) is not ready: {}.", node.member.name, node.member.region,
                    node.not_ready_reason.empty() ? "it gives no reason" : node.not_ready_reason));
  }
}

}  // namespace

absl::Status LeaveVerdict::Decide(bool force) {
  if (objections.empty()) return absl::OkStatus();
  const std::string text = fmt::format("{}", fmt::join(objections, "; "));
  if (!force) return absl::FailedPreconditionError(fmt::format("{}; {}", text, advice));
  warnings.insert(warnings.begin(), fmt::format("Forced although {}.", text));
  return absl::OkStatus();
}

LeaveVerdict JudgeDrain(const ClusterView& view, const MemberRecord& leaving,
                        const std::vector<NodeFacts>& nodes) {
  LeaveVerdict verdict;
  verdict.advice = "add nodes or bring them back first, or use --force";
  verdict.objections = Shortfalls(view, leaving, nodes);
  for (const NodeFacts& node : nodes) {
    if (node.answered || node.member.region == leaving.region) continue;
    verdict.objections.push_back(
        fmt::format("node {} of region {} does not answer, so that region is degraded already",
                    node.member.name, node.member.region));
  }
  const NodeFacts* own = Find(nodes, leaving.node);
  if (own && !own->answered) {
    verdict.warnings.push_back(fmt::format(
        "{} does not answer: it hands nothing over itself, and nobody hears when it is done. A "
        "node that will not come back is evicted.",
        leaving.name));
  }
  WarnOfFewer(leaving, nodes, &verdict.warnings);
  WarnOfNotReady(leaving, nodes, &verdict.warnings);
  return verdict;
}

LeaveVerdict JudgeEviction(const ClusterView& view, const MemberRecord& leaving,
                           const std::vector<NodeFacts>& nodes, const SoleCopies& sole) {
  LeaveVerdict verdict;
  verdict.advice = fmt::format("drain it first with `fermoctl node drain {}`, or use --force",
                               ToString(leaving.node));
  const NodeFacts* own = Find(nodes, leaving.node);
  if (own && own->connected && own->answered && !own->Drained()) {
    if (leaving.draining && own->drains) {
      verdict.objections.push_back(fmt::format("{} still has {} to hand over", leaving.name,
                                               Some(own->to_hand_over, "segment")));
      verdict.advice = "wait until it is drained, or use --force";
    } else if (own->ready) {
      verdict.objections.push_back(fmt::format("{} is connected and ready", leaving.name));
    }
  }
  if (!sole.known) {
    verdict.objections.push_back(
        fmt::format("nobody can say how many messages have no copy but on {}: it does not answer, "
                    "and neither do all others",
                    leaving.name));
    verdict.advice = "bring the others back first, or use --force";
  } else if (sole.messages > 0) {
    verdict.objections.push_back(fmt::format("{} of {} may have no copy but on {}",
                                             Some(sole.messages, "message"),
                                             Some(sole.segments, "segment"), leaving.name));
  }
  for (const NodeFacts& node : nodes) {
    if (node.member.node == leaving.node || !node.suspect) continue;
    verdict.objections.push_back(
        fmt::format("{} stopped uncleanly and may have lost copies of what {} has",
                    node.member.name, leaving.name));
    verdict.advice = fmt::format("bring {} back first, or use --force", leaving.name);
  }
  for (const std::string& missing : Shortfalls(view, leaving, nodes)) {
    verdict.warnings.push_back(
        fmt::format("Mail will be refused with a temporary error for want of nodes: {}.", missing));
  }
  WarnOfFewer(leaving, nodes, &verdict.warnings);
  return verdict;
}

absl::StatusOr<MemberRecord> FindNode(const ClusterView& view, const std::string& text) {
  if (text.empty()) return absl::InvalidArgumentError("node: is required, as a name or an id");
  const auto id = ParseNodeId(text);
  std::vector<MemberRecord> named;
  for (const MemberRecord& member : view.LiveMembers()) {
    if (id.ok() && member.node == *id) return member;
    if (member.name == text) named.push_back(member);
  }
  if (named.size() == 1) return named.front();
  if (named.empty()) {
    return absl::NotFoundError(
        fmt::format("node: there is no node {}; `fermoctl node list` shows all", text));
  }
  std::vector<std::string> ids;
  for (const MemberRecord& member : named) ids.push_back(ToString(member.node));
  return absl::InvalidArgumentError(
      fmt::format("node: {} nodes are named {}; say which by its id: {}", ids.size(), text,
                  fmt::join(ids, ", ")));
}

}  // namespace fermo::coordinator
