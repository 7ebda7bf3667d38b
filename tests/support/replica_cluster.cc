#include "tests/support/replica_cluster.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace fermo::test {

using namespace std::chrono_literals;

namespace {

constexpr Duration kTick = 100ms;
constexpr Duration kStep = 1ms;

}  // namespace

ReplicaCluster::ReplicaCluster(std::vector<std::string> regions, cluster::ReplicaOptions options,
                               uint64_t seed)
    : options_(options), seed_(seed) {
  snapshot_.cluster_uuid = "test";
  snapshot_.generation = 1;
  for (const std::string& region : regions) {
    Node& node = nodes_.emplace_back();
    node.id = NodeId(nodes_.size());
    node.region = region;
    snapshot_.members.push_back({node.id, "node-" + std::to_string(nodes_.size()), region, ""});
  }
  for (int node = 0; node < size(); ++node) Boot(node);
}

void ReplicaCluster::Boot(int index) {
  Node& node = nodes_[index];
  ++node.boot;
  cluster::ReplicaOptions options = options_;
  options.self = node.id;
  options.boot = node.boot;
  options.suspect = node.suspect;
  options.machine_restarted_at = node.machine_restarted_at;
  options.seed = seed_ * 1000 + index * 10 + node.boot;
  node.replica = std::make_unique<cluster::Replica>(options, snapshot_,
                                                    node.disk.Recover(now_, options.grace), now_);
  for (int other = 0; other < size(); ++other) {
    if (other != index && IsUp(other) && !cut_.contains(std::minmax(index, other))) {
      Connect(index, other, true);
    }
  }
}

void ReplicaCluster::Kill(int index) {
  for (int other = 0; other < size(); ++other) {
    if (other != index) Connect(index, other, false);
  }
  Node& node = nodes_[index];
  node.replica.reset();
  node.writes.clear();
  node.queue.clear();
}

void ReplicaCluster::Restart(int node) { Boot(node); }

void ReplicaCluster::RestartMachine(int node) {
  nodes_[node].disk.LoseAttempts();
  nodes_[node].machine_restarted_at = now_;
  Boot(node);
}

void ReplicaCluster::RestartSuspect(int node, VirtualDisk disk) {
  nodes_[node].disk = std::move(disk);
  nodes_[node].suspect = true;
  Boot(node);
}

void ReplicaCluster::SetLink(int a, int b, bool up) {
  if (up) {
    cut_.erase(std::minmax(a, b));
    if (IsUp(a) && IsUp(b)) Connect(a, b, true);
  } else {
    cut_.insert(std::minmax(a, b));
    Connect(a, b, false);
  }
}

void ReplicaCluster::Isolate(int node, bool isolated) {
  for (int other = 0; other < size(); ++other) {
    if (other != node) SetLink(node, other, !isolated);
  }
}

void ReplicaCluster::Evict(int node) {
  EvictUntold(node);
  Feed(node, cluster::SnapshotChanged{snapshot_});
}

void ReplicaCluster::EvictUntold(int node) {
  std::erase_if(snapshot_.members,
                [id = Id(node)](const cluster::Member& member) { return member.node == id; });
  snapshot_.evicted.push_back(Id(node));
  Publish(node);
}

void ReplicaCluster::Drain(int node) {
  for (cluster::Member& member : snapshot_.members) {
    if (member.node == Id(node)) member.draining = true;
  }
  Publish();
}

void ReplicaCluster::Publish(int but) {
  ++snapshot_.generation;
  for (int node = 0; node < size(); ++node) {
    if (node != but) Feed(node, cluster::SnapshotChanged{snapshot_});
  }
}

void ReplicaCluster::Connect(int a, int b, bool up) {
  if (LinkUp(a, b) == up) return;
  if (up) {
    links_[{a, b}] = links_[{b, a}] = next_session_++;
  } else {
    links_.erase({a, b});
    links_.erase({b, a});
  }
  for (auto [self, peer] : {std::pair(a, b), std::pair(b, a)}) {
    if (!IsUp(self)) continue;
    for (auto channel : {cluster::Channel::kControl, cluster::Channel::kData}) {
      if (up) {
        Feed(self, cluster::PeerUp{nodes_[peer].id, channel, nodes_[peer].boot});
      } else {
        Feed(self, cluster::PeerDown{nodes_[peer].id, channel});
      }
    }
    if (!up) Feed(self, cluster::IncomingEnded{nodes_[peer].id});
  }
}

cluster::UploadId ReplicaCluster::Accept(int node, uint32_t legs, uint32_t chunks) {
  const cluster::UploadId upload = next_upload_++;
  upload_legs_[upload] = legs;
  Feed(node, cluster::BeginUpload{upload, upload_regions});
  if (!replica(node).IsOpen(upload)) return upload;
  if (chunks > 1) {
    for (uint32_t i = 0; i < chunks; ++i) {
      Feed(node, cluster::AddChunk{upload, MakeBytes("chunk " + std::to_string(i))});
    }
  }
  spool::MessageRecord record;
  for (uint32_t leg = 0; leg < legs; ++leg) {
    record.envelope.forward_paths.push_back("leg" + std::to_string(leg) + "@example.test");
  }
  record.chunks = chunks;
  record.size = 1;
  record.token = upload;
  record.body =
      chunks > 1 ? replica(node).PlannedBody(upload) : replica(node).PlannedId(upload).seq.value();
  cluster::CommitUpload commit;
  commit.upload = upload;
  commit.record = MakeBytes(spool::Encode(record));
  commit.chunks = chunks;
  commit.legs = legs;
  commit.token = upload;
  if (chunks == 1) commit.chunk = MakeBytes("content");
  Feed(node, commit);
  return upload;
}

MessageId ReplicaCluster::AcceptOne(int node, uint32_t legs, uint32_t chunks) {
  const cluster::UploadId upload = Accept(node, legs, chunks);
  EXPECT_TRUE(RunUntil([&] { return Verdict(upload) != nullptr; }, 1s)) << "no verdict";
  EXPECT_TRUE(settled_.at(upload).status.ok()) << settled_.at(upload).status;
  return IdOf(upload);
}

cluster::UploadId ReplicaCluster::Resolve(int node, uint64_t token) {
  const cluster::UploadId question = next_upload_++;
  resolving_.insert(question);
  const auto known = upload_legs_.find(token);
  upload_legs_[question] = known == upload_legs_.end() ? 0 : known->second;
  Feed(node, cluster::ResolveUpload{question, token});
  return question;
}

const absl::Status* ReplicaCluster::Verdict(cluster::UploadId upload) const {
  auto it = settled_.find(upload);
  return it == settled_.end() ? nullptr : &it->second.status;
}

// What an action of a step leads to comes after all actions of that step.
void ReplicaCluster::Feed(int index, cluster::Event event) {
  Node& node = nodes_[index];
  node.events.push_back(std::move(event));
  if (std::exchange(node.stepping, true)) return;
  while (!node.events.empty()) {
    const cluster::Event next = std::move(node.events.front());
    node.events.pop_front();
    if (IsUp(index)) Perform(index, node.replica->Step(next, now_));
  }
  node.stepping = false;
}

void ReplicaCluster::StepTime() {
  now_ += kStep;
  while (!frames_.empty() && frames_.front().at <= now_) {
    Frame frame = std::move(frames_.front());
    frames_.pop_front();
    auto link = links_.find({frame.from, frame.to});
    if (link != links_.end() && link->second == frame.session) frame.arrive(frame.to);
  }
  for (int index = 0; index < size(); ++index) {
    Node& node = nodes_[index];
    while (IsUp(index) && !node.writes_blocked && !node.writes.empty() &&
           node.writes.front().done_at <= now_) {
      cluster::Persist persist = std::move(node.writes.front().persist);
      node.writes.pop_front();
      node.disk.Apply(persist.ops);
      if (persist.token != 0) Feed(index, cluster::Persisted{persist.token});
    }
  }
  if (now_ < next_tick_) return;
  next_tick_ = now_ + kTick;
  for (int index = 0; index < size(); ++index) {
    Feed(index, cluster::Tick{});
    if (IsUp(index) && primary_up) TryDeliveries(index);
  }
}

void ReplicaCluster::Run(Duration span) {
  const Instant end = now_ + span;
  while (now_ < end) StepTime();
}

bool ReplicaCluster::RunUntil(const std::function<bool()>& done, Duration limit) {
  const Instant end = now_ + limit;
  while (!done()) {
    if (now_ >= end) return false;
    StepTime();
  }
  return true;
}

std::set<uint32_t> ReplicaCluster::AllLegs(uint32_t count) {
  std::set<uint32_t> legs;
  for (uint32_t leg = 0; leg < count; ++leg) legs.insert(leg);
  return legs;
}

}  // namespace fermo::test
