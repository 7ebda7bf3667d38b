// What a node's actions do to the network, its disk, its queue and the primary.
#include <gtest/gtest.h>

#include "tests/support/replica_cluster.h"

namespace fermo::test {

void ReplicaCluster::SendFrame(int from, NodeId to, cluster::Event event) {
  const int target = static_cast<int>(to.value()) - 1;
  auto link = links_.find({from, target});
  if (link == links_.end()) return;
  frames_.push_back({now_ + kHop, from, target, link->second,
                     [this, event = std::move(event)](int node) { Feed(node, event); }});
}

void ReplicaCluster::Perform(int index, cluster::Actions actions) {
  for (cluster::Action& action : actions) {
    if (!IsUp(index)) return;  // killed by what an earlier action led to
    std::visit([&](auto& a) { Do(index, a); }, action);
  }
}

void ReplicaCluster::Do(int index, cluster::SendControl& action) {
  if (lose_control && lose_control(index, action.message)) return;
  const Node& node = nodes_[index];
  SendFrame(index, action.to, cluster::ControlReceived{node.id, node.boot, action.message});
}

void ReplicaCluster::Do(int index, cluster::SendData& action) {
  SendFrame(index, action.to, cluster::DataReceived{nodes_[index].id, action.message});
}

void ReplicaCluster::Do(int index, cluster::SendCopies& copies) {
  const Node& node = nodes_[index];
  for (uint32_t seq : copies.seqs) {
    const MessageId id{copies.segment.id, Seq(seq)};
    const Bytes* record = node.disk.Record(id);
    if (record == nullptr) continue;
    auto decoded = spool::DecodeMessageRecord(**record);
    cluster::Append append{copies.segment, Seq(seq), *record, nullptr, true};
    if (decoded->chunks == 1) append.chunk = MakeBytes("content");
    for (uint32_t i = 0; decoded->chunks > 1 && i < decoded->chunks; ++i) {
      cluster::Chunk chunk{id.segment, decoded->body, i, MakeBytes("chunk")};
      SendFrame(index, copies.to, cluster::DataReceived{node.id, chunk});
    }
    SendFrame(index, copies.to, cluster::DataReceived{node.id, append});
  }
}

void ReplicaCluster::Do(int index, cluster::Persist& action) {
  nodes_[index].writes.push_back({now_ + kSync, std::move(action)});
}

void ReplicaCluster::Do(int index, cluster::UploadSettled& action) {
  EXPECT_FALSE(settled_.contains(action.upload)) << "two verdicts for one upload";
  settled_[action.upload] = {action.message, action.status};
  // Delivery has the message of an upload that was only asked about.
  if (!action.status.ok() || resolving_.contains(action.upload)) return;
  nodes_[index].queue[action.message] = {now_, AllLegs(upload_legs_[action.upload]), false};
}

void ReplicaCluster::Do(int index, cluster::TakeOver& action) {
  Node& node = nodes_[index];
  for (const cluster::OwnedMessage& message : action.messages) {
    const MessageId id{action.segment, message.seq};
    const Bytes* record = node.disk.Record(id);
    if (record == nullptr) continue;
    auto decoded = spool::DecodeMessageRecord(**record);
    auto legs = AllLegs(decoded->envelope.forward_paths.size());
    for (uint32_t done : message.done_legs) legs.erase(done);
    node.queue[id] = {message.not_before, std::move(legs), false};
  }
}

void ReplicaCluster::Do(int index, cluster::LegsSettled& action) {
  Node& node = nodes_[index];
  auto it = node.queue.find(action.message);
  if (it == node.queue.end()) return;
  for (uint32_t leg : action.legs) it->second.legs.erase(leg);
  if (action.legs.empty() || it->second.legs.empty()) node.queue.erase(it);
}

void ReplicaCluster::Do(int index, cluster::SegmentLost& action) {
  std::erase_if(nodes_[index].queue,
                [&](const auto& entry) { return entry.first.segment == action.segment; });
}

void ReplicaCluster::Do(int index, cluster::AttemptStopped& action) {
  Node& node = nodes_[index];
  auto it = node.queue.find(action.message);
  if (it == node.queue.end() || !it->second.running) return;
  it->second.running = false;
  Feed(index, cluster::EndAttempt{action.message, {}});
}

void ReplicaCluster::Do(int index, cluster::AskToSurvive& action) {
  ++survivor_asks_;
  Feed(index, cluster::SurvivorVerdict{survivor_verdict, action.segment});
}

void ReplicaCluster::Do(int index, cluster::Note& action) {
  ++notes_[std::string(action.what)];
  if (action.what != "takeover") return;
  owners_[{action.segment, Epoch(action.epoch.value())}].insert(index);
}

// The final dot: the primary has the message from here on.
void ReplicaCluster::Complete(int index, const MessageId& id) {
  auto it = nodes_[index].queue.find(id);
  if (it == nodes_[index].queue.end() || !it->second.running) return;
  std::set<uint32_t> legs = it->second.legs;
  if (one_leg_at_a_time) legs = {*legs.begin()};
  it->second.running = false;
  if (!replica(index).MayFinish(id, now_)) {
    Feed(index, cluster::EndAttempt{id, {}});
    return;
  }
  for (uint32_t leg : legs) ++delivered_[{id, leg}];
  if (on_dot && !on_dot(index, id)) return;
  if (!IsUp(index)) return;
  cluster::EndAttempt end{id, {}};
  for (uint32_t leg : legs) {
    spool::LegOutcome outcome;
    outcome.leg = leg;
    outcome.outcome = spool::Outcome::kDelivered;
    end.outcomes.push_back(outcome);
  }
  Feed(index, end);
}

void ReplicaCluster::TryDeliveries(int index) {
  std::vector<std::pair<MessageId, std::set<uint32_t>>> ready;
  for (const auto& [id, attempt] : nodes_[index].queue) {
    if (attempt.running || attempt.not_before > now_) continue;
    if (replica(index).MayStart(id.segment, now_)) ready.emplace_back(id, attempt.legs);
  }
  for (const auto& [id, waiting] : ready) {
    nodes_[index].queue[id].running = true;
    std::vector<uint32_t> legs(waiting.begin(), waiting.end());
    Feed(index, cluster::BeginAttempt{id, legs});
    if (!IsUp(index)) return;
  }
}

}  // namespace fermo::test
