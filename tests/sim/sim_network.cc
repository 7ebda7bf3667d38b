#include "tests/sim/sim_network.h"

#include <algorithm>

namespace fermo::sim {

using namespace std::chrono_literals;
using cluster::Channel;

namespace {

constexpr Channel kChannels[] = {Channel::kControl, Channel::kData};
constexpr Duration kKeepalive = 10s;  // and up to half as long again
constexpr Duration kReconnect = 500ms;
constexpr Duration kReset = 2ms;

}  // namespace

void SimNetwork::Started(int node) {
  BreakAllOf(node);
  for (int other = 0; other < static_cast<int>(endpoints_.size()); ++other) {
    if (other == node) continue;
    for (Channel channel : kChannels) {
      Connect({node, other, channel});
      Connect({other, node, channel});
    }
  }
}

void SimNetwork::Died(int node, bool machine_is_gone) {
  const uint32_t boot = endpoints_[node]->boot();
  // A reset comes behind what the process had sent.
  const Duration notice =
      machine_is_gone ? random_.Jitter(kKeepalive * 5 / 4, 0.2) : longest_way() + kReset;
  scheduler_.After(notice, [this, node, boot] {
    const bool same = endpoints_[node]->boot() == boot && !endpoints_[node]->Running();
    if (same) BreakAllOf(node);
  });
}

void SimNetwork::Stalled(int node) {
  scheduler_.After(random_.Jitter(kKeepalive * 5 / 4, 0.2), [this, node] {
    if (!endpoints_[node]->Answering()) BreakAllOf(node);
  });
}

// Tries until both are there and the path is free.
void SimNetwork::Connect(StreamKey key) {
  scheduler_.After(random_.Jitter(kReconnect, 0.9), [this, key] {
    const auto [client, server, channel] = key;
    Stream& stream = streams_[key];
    if (stream.up || !endpoints_[client]->Running()) return;
    const bool reached = !IsCut(client, server) && !IsCut(server, client) &&
                         endpoints_[server]->Answering() && endpoints_[client]->Answering() &&
                         endpoints_[client]->Knows(endpoints_[server]->id());
    if (!reached || !Greet(*endpoints_[client], *endpoints_[server])) {
      Connect(key);
      return;
    }
    stream = Stream{true, next_session_++, {}};
    cluster::PeerUp up{endpoints_[server]->id(), channel, endpoints_[server]->boot()};
    endpoints_[client]->Receive(up);
  });
}

// As node/replication/mesh_service: both tell whom they know to be evicted.
bool SimNetwork::Greet(Endpoint& client, Endpoint& server) {
  if (client.KnowsEvicted(client.id()) || server.KnowsEvicted(server.id())) return false;
  server.HearOfEvictions(client.evicted());
  if (server.KnowsEvicted(client.id())) {
    client.HearOfEvictions({client.id()});
    return false;
  }
  if (!server.Knows(client.id())) return false;
  client.HearOfEvictions(server.evicted());
  return !client.KnowsEvicted(server.id());
}

void SimNetwork::Break(StreamKey key) {
  const auto [client, server, channel] = key;
  Stream& stream = streams_[key];
  if (!stream.up) return;
  stream = Stream{};
  if (endpoints_[client]->Running()) {
    endpoints_[client]->Receive(cluster::PeerDown{endpoints_[server]->id(), channel});
    Connect(key);
  }
  if (channel == Channel::kData && endpoints_[server]->Running()) {
    endpoints_[server]->Receive(cluster::IncomingEnded{endpoints_[client]->id()});
  }
}

void SimNetwork::BreakBetween(int a, int b) {
  for (Channel channel : kChannels) {
    Break({a, b, channel});
    Break({b, a, channel});
  }
}

void SimNetwork::BreakAllOf(int node) {
  for (int other = 0; other < static_cast<int>(endpoints_.size()); ++other) {
    if (other != node) BreakBetween(node, other);
  }
}

void SimNetwork::Send(int from, NodeId whom, Channel channel, bool answer, cluster::Event event) {
  const int to = IndexOf(whom);
  if (endpoints_[to]->id() != whom) return;  // its machine has another identity now
  const StreamKey key = answer ? StreamKey(to, from, channel) : StreamKey(from, to, channel);
  if (!streams_[key].up) return;
  if (channel == Channel::kControl && lossy_ > 0) {
    if (random_.OneIn(lossy_)) return;
    if (random_.OneIn(lossy_)) Carry(key, from, to, answer, event, false);
    Carry(key, from, to, answer, std::move(event), !random_.OneIn(lossy_));
    return;
  }
  Carry(key, from, to, answer, std::move(event), true);
}

void SimNetwork::Carry(StreamKey key, int from, int to, bool answer, cluster::Event event,
                       bool in_order) {
  Stream& stream = streams_[key];
  Instant arrival = scheduler_.now() + random_.Jitter(latency_, 0.8);
  if (in_order) {
    arrival = stream.last[answer] = std::max(arrival, stream.last[answer]);
  } else {
    arrival += random_.Jitter(latency_ * 20, 1);
  }
  scheduler_.At(arrival, [this, key, session = stream.session, from, to, event = std::move(event)] {
    Arrive(key, session, from, to, event);
  });
}

void SimNetwork::Arrive(StreamKey key, uint64_t session, int from, int to,
                        const cluster::Event& event) {
  if (streams_[key].session != session || !endpoints_[to]->Running()) return;
  if (IsCut(from, to)) {
    paths_[{from, to}].held.push_back(
        [this, key, session, from, to, event] { Arrive(key, session, from, to, event); });
    return;
  }
  endpoints_[to]->Receive(event);
}

bool SimNetwork::IsCut(int from, int to) const {
  auto path = paths_.find({from, to});
  return path != paths_.end() && path->second.cut;
}

void SimNetwork::Cut(int from, int to, bool cut) {
  Path& path = paths_[{from, to}];
  if (path.cut == cut) return;
  path.cut = cut;
  const uint64_t change = ++path.change;
  if (!cut) {
    std::vector<Scheduler::Task> held;
    held.swap(path.held);
    for (Scheduler::Task& arrive : held) arrive();
    return;
  }
  scheduler_.After(random_.Jitter(kKeepalive * 5 / 4, 0.2), [this, from, to, change] {
    Path& now = paths_[{from, to}];
    if (!now.cut || now.change != change) return;
    now.held.clear();
    BreakBetween(from, to);
  });
}

}  // namespace fermo::sim
