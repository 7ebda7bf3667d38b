#include "coordinator/operations/problems.h"

#include <algorithm>
#include <map>
#include <set>

#include "coordinator/operations/redundancy.h"
#include "fmt/chrono.h"
#include "fmt/format.h"

namespace fermo::coordinator {
namespace {

std::string Since(const NodeFacts& node, WallTime coordinator_started) {
  if (node.disconnected_at) return fmt::format("since {}", FormatUtc(*node.disconnected_at));
  return fmt::format("since before this coordinator started ({})", FormatUtc(coordinator_started));
}

std::string Who(const NodeFacts& node) {
  return fmt::format("Node {} (region {})", node.member.name, node.member.region);
}

void NodeProblem(const NodeFacts& node, WallTime started, std::vector<std::string>* out) {
  const std::string who = Who(node);
  if (!node.answered && node.connected) {
    out->push_back(fmt::format("{} is connected but does not answer at {}: {}.", who,
                               node.member.address, node.error));
  } else if (!node.answered) {
    out->push_back(fmt::format("{} is unreachable {}: {}.", who, Since(node, started), node.error));
  } else if (!node.connected) {
    out->push_back(
        fmt::format("{} answers but is not connected to this coordinator {}; it may run on an old "
                    "configuration.",
                    who, Since(node, started)));
  }
  // One that drains takes no mail, and is not to.
  if (node.answered && !node.ready && !node.member.draining) {
    out->push_back(
        fmt::format("{} is not ready: {}.", who,
                    node.not_ready_reason.empty() ? "it gives no reason" : node.not_ready_reason));
  }
}

// `name`: that `fermoctl` knows it by.
void Draining(const NodeFacts& node, const std::string& name, std::vector<std::string>* out) {
  if (!node.member.draining) return;
  const std::string who = Who(node);
  if (!node.answered) {
    out->push_back(fmt::format(
        "{} is to be drained but does not answer: what it has left is not known.", who));
  } else if (!node.drains) {
    out->push_back(fmt::format("{} is to be drained but has not heard of it yet.", who));
  } else if (node.Drained()) {
    out->push_back(
        fmt::format("{} is drained and safe to remove: `fermoctl node evict {}`.", who, name));
  } else {
    out->push_back(fmt::format("{} is draining: {} {} left.", who,
                               Some(node.to_hand_over, "segment"),
                               node.to_hand_over == 1 ? "is" : "are"));
  }
}

// Mail that has fewer live copies than it should, or no quorum.
void Copies(const ClusterFacts& facts, std::vector<std::string>* out) {
  uint64_t at_risk = 0, under_replicated = 0, repairs = 0;
  for (const NodeFacts& node : facts.nodes) {
    if (!node.answered) continue;
    at_risk += node.at_risk;
    under_replicated += node.under_replicated;
    repairs += node.repairs;
    if (node.suspect) {
      out->push_back(fmt::format(
          "{} stopped uncleanly and may have lost copies: evict no other node before all that it "
          "has is compared.",
          Who(node)));
    }
    if (node.surviving_segments == 0) continue;
    out->push_back(fmt::format(
        "{} delivers {} alone, since too few other holders can be reached: if these are cut off "
        "and not dead, mail may be delivered twice.",
        Who(node), Some(node.surviving_segments, "segment")));
  }
  if (at_risk > 0) {
    out->push_back(fmt::format(
        "{} {} on fewer live nodes than needed; bring nodes back or add some before another is "
        "lost.",
        Some(at_risk, "message"), at_risk == 1 ? "is" : "are"));
  }
  if (under_replicated > 0) {
    out->push_back(
        fmt::format("{} {} fewer live copies than wanted; {} under way.",
                    Some(under_replicated, "message"), under_replicated == 1 ? "has" : "have",
                    repairs == 1 ? "1 repair is" : fmt::format("{} repairs are", repairs)));
  }
}

void SameNames(const ClusterFacts& facts, std::vector<std::string>* out) {
  std::map<std::string, std::vector<std::string>> ids;
  for (const NodeFacts& node : facts.nodes) {
    const char* state = node.connected ? "connected" : "not connected";
    ids[node.member.name].push_back(fmt::format("{} ({})", ToString(node.member.node), state));
  }
  for (const auto& [name, list] : ids) {
    if (list.size() < 2) continue;
    out->push_back(fmt::format(
        "{} nodes are named {}: {}. A node with a new disk is a new node; the old one stays a "
        "member until it is evicted.",
        list.size(), name, fmt::join(list, ", ")));
  }
}

// Whether the live nodes suffice for what the nodes are configured for.
void Redundancy(const ClusterFacts& facts, std::vector<std::string>* out) {
  std::set<std::string> regions;
  const auto [copies, write_copies, min_regions] = NeededBy(facts.nodes);
  uint32_t answering = 0, live = 0;  // one that drains takes no new copies
  for (const NodeFacts& node : facts.nodes) {
    if (!node.answered) continue;
    ++answering;
    if (node.member.draining) continue;
    ++live;
    regions.insert(node.member.region);
  }
  if (facts.nodes.empty()) {
    out->push_back("No node has joined: no mail can be accepted.");
  } else if (answering == 0) {
    out->push_back("No node answers.");
  } else if (live == 0) {
    out->push_back("All nodes that answer are draining: no mail can be accepted.");
  } else if (live < write_copies) {
    out->push_back(
        fmt::format("{} of the {} nodes needed to make mail durable are live: new mail "
                    "is refused with a temporary error.",
                    live, write_copies));
  } else if (live < copies) {
    out->push_back(
        fmt::format("{} nodes are live, fewer than the {} copies that each message should have.",
                    live, copies));
  }
  if (live > 0 && regions.size() < min_regions) {
    out->push_back(
        fmt::format("Live nodes are in {} of the {} regions needed to make mail "
                    "durable: new mail is refused with a temporary error.",
                    regions.size(), min_regions));
  }
}

void Generations(const ClusterFacts& facts, std::vector<std::string>* out) {
  bool frontend = false;
  for (const Process& process : facts.processes) {
    frontend = frontend || process.join.role == rpc::Role::kSmtpFrontend;
    if (process.applied_generation > facts.generation) {
      out->push_back(fmt::format(
          "{} runs on generation {} but this coordinator has only {}: its data directory is "
          "older than the cluster, and it makes no changes. Give it the newest copy.",
          process.join.name, process.applied_generation, facts.generation));
    } else if (process.applied_generation < facts.generation) {
      out->push_back(fmt::format("{} runs on generation {}, the newest is {}.", process.join.name,
                                 process.applied_generation, facts.generation));
    }
  }
  if (!frontend) out->push_back("No SMTP frontend is connected to this coordinator.");
}

}  // namespace

std::string FormatUtc(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(static_cast<time_t>(seconds)));
}

std::vector<std::string> FindProblems(const ClusterFacts& facts) {
  std::vector<std::string> problems;
  Redundancy(facts, &problems);
  std::map<std::string, int> namesakes;
  for (const NodeFacts& node : facts.nodes) ++namesakes[node.member.name];
  for (const NodeFacts& node : facts.nodes) {
    NodeProblem(node, facts.coordinator_started, &problems);
    const bool unique = namesakes[node.member.name] == 1;
    Draining(node, unique ? node.member.name : ToString(node.member.node), &problems);
  }
  Copies(facts, &problems);
  SameNames(facts, &problems);
  Generations(facts, &problems);
  return problems;
}

}  // namespace fermo::coordinator
