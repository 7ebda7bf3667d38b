#include "tests/support/replica_cluster.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace fermo::test {

using namespace std::chrono_literals;

namespace {

constexpr Duration kTick = 100ms;
constexpr Duration kStep = 1ms;

template <class... Fs>
struct Overload : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overload(Fs...) -> Overload<Fs...>;

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
  Feed(node, cluster::BeginUpload{upload});
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
  if (chunks == 1) commit.chunk = MakeBytes("content");
  Feed(node, commit);
  return upload;
}

const absl::Status* ReplicaCluster::Verdict(cluster::UploadId upload) const {
  auto it = settled_.find(upload);
  return it == settled_.end() ? nullptr : &it->second.status;
}

void ReplicaCluster::Feed(int node, cluster::Event event) {
  if (IsUp(node)) Perform(node, replica(node).Step(event, now_));
}

void ReplicaCluster::SendFrame(int from, NodeId to, cluster::Event event) {
  const int target = static_cast<int>(to.value()) - 1;
  auto link = links_.find({from, target});
  if (link == links_.end()) return;
  frames_.push_back({now_ + kHop, from, target, link->second,
                     [this, event = std::move(event)](int node) { Feed(node, event); }});
}

void ReplicaCluster::SendCopies(int index, const cluster::SendCopies& copies) {
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

void ReplicaCluster::Perform(int index, cluster::Actions actions) {
  Node& node = nodes_[index];
  for (cluster::Action& action : actions) {
    if (!IsUp(index)) return;  // killed by what an earlier action led to
    std::visit(
        Overload{
            [&](cluster::SendControl& a) {
              SendFrame(index, a.to, cluster::ControlReceived{node.id, node.boot, a.message});
            },
            [&](cluster::SendData& a) {
              SendFrame(index, a.to, cluster::DataReceived{node.id, a.message});
            },
            [&](cluster::SendCopies& a) { SendCopies(index, a); },
            [&](cluster::Persist& a) {
              node.writes.push_back({now_ + kSync, std::move(a)});
            },
            [&](cluster::UploadSettled& a) {
              EXPECT_FALSE(settled_.contains(a.upload)) << "two verdicts for one upload";
              settled_[a.upload] = {a.message, a.status};
              if (!a.status.ok()) return;
              node.queue[a.message] = {now_, AllLegs(upload_legs_[a.upload]), false};
            },
            [&](cluster::TakeOver& a) {
              for (const cluster::OwnedMessage& message : a.messages) {
                const MessageId id{a.segment, message.seq};
                const Bytes* record = node.disk.Record(id);
                if (record == nullptr) continue;
                auto decoded = spool::DecodeMessageRecord(**record);
                auto legs = AllLegs(decoded->envelope.forward_paths.size());
                for (uint32_t done : message.done_legs) legs.erase(done);
                node.queue[id] = {message.not_before, std::move(legs), false};
              }
            },
            [&](cluster::LegsSettled& a) {
              auto it = node.queue.find(a.message);
              if (it == node.queue.end()) return;
              for (uint32_t leg : a.legs) it->second.legs.erase(leg);
              if (a.legs.empty() || it->second.legs.empty()) node.queue.erase(it);
            },
            [&](cluster::SegmentLost& a) {
              std::erase_if(node.queue,
                            [&](const auto& e) { return e.first.segment == a.segment; });
            },
            [&](cluster::AttemptCleared& a) { Complete(index, a.message); },
            [&](cluster::AttemptStopped& a) {
              auto it = node.queue.find(a.message);
              if (it == node.queue.end() || !it->second.running) return;
              it->second.running = false;
              Feed(index, cluster::EndAttempt{a.message, {}});
            },
            [&](cluster::Note& a) {
              ++notes_[std::string(a.what)];
              if (a.what == "takeover") {
                owners_[{a.segment, Epoch(a.epoch.value())}].insert(index);
              }
            },
        },
        action);
  }
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

int ReplicaCluster::LegDeliveries(const MessageId& id, uint32_t leg) const {
  auto it = delivered_.find({id, leg});
  return it == delivered_.end() ? 0 : it->second;
}

int ReplicaCluster::Lost() const {
  int lost = 0;
  for (const auto& [upload, settled] : settled_) {
    if (!settled.status.ok()) continue;
    for (uint32_t leg = 0; leg < upload_legs_.at(upload); ++leg) {
      lost += LegDeliveries(settled.message, leg) == 0;
    }
  }
  return lost;
}

int ReplicaCluster::Extra() const {
  int extra = 0;
  for (const auto& [leg, count] : delivered_) extra += count - 1;
  return extra;
}

std::vector<MessageId> ReplicaCluster::Accepted() const {
  std::vector<MessageId> ids;
  for (const auto& [upload, settled] : settled_) {
    if (settled.status.ok()) ids.push_back(settled.message);
  }
  return ids;
}

int ReplicaCluster::OwnersOf(const SegmentId& id) const {
  int owners = 0;
  for (const Node& node : nodes_) {
    const cluster::Segment* segment = node.replica ? node.replica->Find(id) : nullptr;
    if (segment != nullptr && segment->owner && node.replica->MayStart(id, now_)) ++owners;
  }
  return owners;
}

bool ReplicaCluster::Drained() const {
  for (const Node& node : nodes_) {
    if (node.replica && node.replica->GetView(now_).held > 0) return false;
  }
  return true;
}

int ReplicaCluster::NotesOf(const std::string& what) const {
  auto it = notes_.find(what);
  return it == notes_.end() ? 0 : it->second;
}

}  // namespace fermo::test
