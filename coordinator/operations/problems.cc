#include "coordinator/operations/problems.h"

#include <algorithm>
#include <map>
#include <set>

#include "fmt/chrono.h"
#include "fmt/format.h"

namespace fermo::coordinator {
namespace {

std::string Since(const NodeFacts& node, WallTime coordinator_started) {
  if (node.disconnected_at) return fmt::format("since {}", FormatUtc(*node.disconnected_at));
  return fmt::format("since before this coordinator started ({})", FormatUtc(coordinator_started));
}

void NodeProblem(const NodeFacts& node, WallTime started, std::vector<std::string>* out) {
  const std::string who = fmt::format("Node {} (region {})", node.member.name, node.member.region);
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
  if (node.answered && !node.ready) {
    out->push_back(
        fmt::format("{} is not ready: {}.", who,
                    node.not_ready_reason.empty() ? "it gives no reason" : node.not_ready_reason));
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
  uint32_t live = 0, copies = 0, write_copies = 0, min_regions = 0;
  for (const NodeFacts& node : facts.nodes) {
    if (!node.answered) continue;
    ++live;
    regions.insert(node.member.region);
    copies = std::max(copies, node.copies);
    write_copies = std::max(write_copies, node.write_copies);
    min_regions = std::max(min_regions, node.min_regions);
  }
  if (facts.nodes.empty()) {
    out->push_back("No node has joined: no mail can be accepted.");
  } else if (live == 0) {
    out->push_back("No node answers.");
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
  for (const NodeFacts& node : facts.nodes) {
    NodeProblem(node, facts.coordinator_started, &problems);
  }
  SameNames(facts, &problems);
  Generations(facts, &problems);
  return problems;
}

}  // namespace fermo::coordinator
