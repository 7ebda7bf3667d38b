#include "ctl/node_client.h"

#include <ostream>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "ctl/human.h"
#include "ctl/json_client.h"
#include "ctl/table.h"
#include "ctl/views_client.h"
#include "fmt/format.h"
#include "lib/base/units.h"

namespace fermo::ctl {

namespace v1 = ::fermoposta::v1;
using Stub = Session::Stub;

namespace {

// A coordinator that restarts is waited for, in polls that fail in a row.
constexpr int kMaxFailedPolls = 30;
// A handing over may wait ten minutes for the reply to a final dot.
constexpr Duration kNoProgress = std::chrono::minutes(30);

bool IsDrained(const v1::NodeInfo& node) {
  return node.member().draining() && node.reachable() && node.status().draining() &&
         node.status().to_hand_over() == 0;
}

std::string StateOf(const v1::NodeInfo& node) {
  if (!node.reachable()) return "unreachable";
  if (IsDrained(node)) return "drained";
  if (node.member().draining()) {
    if (!node.status().draining()) return "draining";  // has not heard of it yet
    return fmt::format("draining, {} left", node.status().to_hand_over());
  }
  return node.status().ready() ? "ready" : "not ready";
}

// "roma-1 (00000000000000a1)".
std::string NameOf(const v1::Member& member) {
  return fmt::format("{} ({})", PathOf(member.name()), NodeIdOf(member.node()));
}

void WarnAll(Session& session, const google::protobuf::RepeatedPtrField<std::string>& warnings) {
  for (const std::string& warning : warnings) session.Warn(Printable(warning));
}

absl::StatusOr<v1::NodeInfo> FindNode(const v1::ListNodesResponse& response,
                                      const std::string& node) {
  std::vector<const v1::NodeInfo*> named;
  std::vector<std::string> ids;
  for (const v1::NodeInfo& info : response.nodes()) {
    if (NodeIdOf(info.member().node()) == node) return info;
    if (info.member().name() != node) continue;
    named.push_back(&info);
    ids.push_back(NodeIdOf(info.member().node()));
  }
  if (named.size() == 1) return *named.front();
  if (named.empty()) {
    return absl::NotFoundError(
        fmt::format("there is no node {}; `fermoctl node list` shows all", node));
  }
  return absl::InvalidArgumentError(fmt::format("{} nodes are named {}; say which by its id: {}",
                                                ids.size(), node, fmt::join(ids, ", ")));
}

void PrintPeers(Session& session, const v1::NodeInfo& node, const v1::ListNodesResponse& all) {
  if (node.status().peers_size() == 0) return;
  Table table({{"PEER", false, true}, {"REGION"}, {"STATE"}, {"HEARD", true}, {"ID", false, true}});
  for (const v1::PeerView& peer : node.status().peers()) {
    std::string name = "-", region = "-";
    for (const v1::NodeInfo& other : all.nodes()) {
      if (other.member().node() != peer.node()) continue;
      name = PathOf(other.member().name());
      region = PathOf(other.member().region());
    }
    table.Add({name, region, peer.connected() ? "connected" : "not connected",
               fmt::format("{}ms", peer.last_heard_millis()), NodeIdOf(peer.node())});
  }
  session.out() << "\n" << table.Render(session.width());
}

void PrintStatus(Session& session, const v1::NodeStatus& status) {
  std::ostream& out = session.out();
  if (!status.ready() && !status.not_ready_reason().empty()) {
    out << "Reason:    " << Printable(status.not_ready_reason()) << "\n";
  }
  out << "Version:   " << PathOf(status.version()) << ", boot " << status.boot() << ", generation "
      << status.generation() << "\n"
      << "Disk:      " << FormatOctets(status.disk_free_bytes()) << " free of "
      << FormatOctets(status.disk_size_bytes()) << "\n"
      << "Holds:     " << Count(status.held_messages(), "message") << " in "
      << Count(status.segments(), "segment") << "\n"
      << "Owns:      " << CountsLine(status.owned(), session.now()) << "; "
      << Count(status.segments_owned(), "segment") << "\n";
  if (status.copies() > 0) {
    out << fmt::format("Needs:     {} in {} for a 250; {} in all\n",
                       Count(status.write_copies(), "node"), Count(status.min_regions(), "region"),
                       status.copies());
  }
  CopyTrouble trouble;
  trouble.Add(status);
  if (trouble.Any()) out << "Copies:    " << trouble.Line() << "\n";
}

v1::DrainNodeRequest ToRequest(const std::string& node, const DrainOptions& options) {
  v1::DrainNodeRequest request;
  request.set_node(node);
  request.set_cancel(options.cancel);
  request.set_force(options.force);
  request.set_dry_run(options.dry_run);
  request.set_reason(options.reason);
  return request;
}

// `node`: as the operator named it.
void PrintDrain(Session& session, const v1::Member& member, const std::string& node,
                const DrainOptions& options) {
  const std::string who = NameOf(member);
  if (options.dry_run) {
    session.out() << fmt::format("Nothing was changed: {} can be {}.\n", who,
                                 options.cancel ? "taken back" : "drained");
  } else if (options.cancel) {
    session.out() << fmt::format("{} takes part again.\n", who);
  } else {
    session.out() << fmt::format(
        "{} is draining: it takes no new mail and hands over what it has; `fermoctl node show {}` "
        "tells what is left.\n",
        who, node);
  }
  session.out().flush();
}

// What one poll says of the node that drains.
std::string Progress(const v1::NodeInfo& node) {
  if (!node.reachable()) return "no answer: " + Printable(node.error());
  if (!node.status().draining()) return "it has not heard of it yet";
  return Count(node.status().to_hand_over(), "segment") + " left";
}

// Polls until the node has handed all over.
absl::Status AwaitDrained(Session& session, const v1::Member& member) {
  const std::string id = NodeIdOf(member.node());
  std::string said;
  int failed = 0;
  Instant progress = BootClock::now();
  while (true) {
    v1::ListNodesResponse response;
    absl::Status status = session.Call(&Stub::ListNodes, v1::ListNodesRequest(), &response);
    std::string line;
    if (status.ok()) {
      failed = 0;
      auto node = FindNode(response, id);
      if (!node.ok()) return node.status();
      if (!node->member().draining()) {
        return absl::AbortedError(fmt::format("the drain of {} was cancelled", NameOf(member)));
      }
      if (IsDrained(*node)) return absl::OkStatus();
      line = Progress(*node);
    } else {
      if (++failed == kMaxFailedPolls) return status;
      line = "no answer from the coordinator: " + Printable(std::string(status.message()));
    }
    if (line != said) {
      if (!session.json()) session.out() << line << std::endl;
      progress = BootClock::now();
    } else if (BootClock::now() - progress >= kNoProgress) {
      return absl::DeadlineExceededError(
          fmt::format("{} for {}; it goes on draining, look again with `fermoctl node show {}`",
                      line, FormatDuration(kNoProgress), id));
    }
    said = line;
    std::this_thread::sleep_for(session.poll());
  }
}

}  // namespace

std::string RenderNodes(const google::protobuf::RepeatedPtrField<v1::NodeInfo>& nodes,
                        size_t width) {
  Table table({{"NODE", false, true},
               {"REGION"},
               {"STATE"},
               {"ADDRESS"},
               {"OWNS", true},
               {"HOLDS", true},
               {"FREE", true},
               {"ID", false, true}});
  for (const v1::NodeInfo& node : nodes) {
    const v1::NodeStatus& status = node.status();
    const bool known = node.reachable();
    table.Add({Printable(node.member().name()), Printable(node.member().region()), StateOf(node),
               Printable(node.member().address()),
               known ? std::to_string(status.owned().messages()) : "-",
               known ? std::to_string(status.held_messages()) : "-",
               known ? FormatOctets(status.disk_free_bytes()) : "-",
               NodeIdOf(node.member().node())});
  }
  return table.Render(width);
}

absl::Status NodeList(Session& session) {
  v1::ListNodesResponse response;
  absl::Status status = session.Call(&Stub::ListNodes, v1::ListNodesRequest(), &response);
  if (!status.ok()) return status;
  if (session.json()) {
    session.out() << ToJson(response);
  } else if (response.nodes_size() == 0) {
    session.out() << "No node has joined.\n";
  } else {
    session.out() << RenderNodes(response.nodes(), session.width());
  }
  return absl::OkStatus();
}

absl::Status NodeShow(Session& session, const std::string& node) {
  v1::ListNodesResponse response;
  absl::Status status = session.Call(&Stub::ListNodes, v1::ListNodesRequest(), &response);
  if (!status.ok()) return status;
  auto found = FindNode(response, node);
  if (!found.ok()) return found.status();
  if (session.json()) {
    session.out() << ToJson(*found);
    return absl::OkStatus();
  }
  const v1::Member& member = found->member();
  session.out() << "Node:      " << NameOf(member) << "\n"
                << "Region:    " << PathOf(member.region()) << "\n"
                << "State:     " << StateOf(*found) << "\n"
                << "Address:   " << PathOf(member.address()) << ", HTTP "
                << PathOf(member.http_address()) << "\n";
  if (!found->reachable()) {
    session.out() << "Reason:    " << PathOf(found->error()) << "\n";
    return absl::OkStatus();
  }
  PrintStatus(session, found->status());
  PrintPeers(session, *found, response);
  return absl::OkStatus();
}

absl::Status NodeDrain(Session& session, const std::string& node, const DrainOptions& options) {
  v1::DrainNodeResponse response;
  absl::Status status = session.Call(&Stub::DrainNode, ToRequest(node, options), &response);
  if (!status.ok()) return status;
  WarnAll(session, response.warnings());
  const v1::Member& member = response.member();
  if (!session.json()) PrintDrain(session, member, node, options);
  if (options.wait) {
    status = AwaitDrained(session, member);
    if (!status.ok()) return status;
  }
  if (session.json()) {
    session.out() << ToJson(response);
  } else if (options.wait) {
    session.out() << fmt::format("{} is safe to remove: fermoctl node evict {} --reason \"...\"\n",
                                 node, node);
  }
  return absl::OkStatus();
}

absl::Status NodeEvict(Session& session, const std::string& node, const EvictOptions& options) {
  v1::EvictNodeRequest request;
  request.set_node(node);
  request.set_force(options.force);
  request.set_dry_run(options.dry_run);
  request.set_reason(options.reason);
  v1::EvictNodeResponse response;
  absl::Status status = session.Call(&Stub::EvictNode, request, &response);
  if (!status.ok()) return status;
  WarnAll(session, response.warnings());
  if (session.json()) {
    session.out() << ToJson(response);
    return absl::OkStatus();
  }
  const std::string who = NameOf(response.member());
  if (options.dry_run) {
    session.out() << fmt::format("Nothing was changed: {} can be evicted.\n", who);
  } else {
    session.out() << fmt::format(
        "{} is evicted. Its disk can never come back under this identity.\n", who);
  }
  if (response.sole_copies() > 0) {
    session.out() << Count(response.sole_copies(), "message") << " may have no other copy.\n";
  }
  return absl::OkStatus();
}

}  // namespace fermo::ctl
