#include "node/replication/copier.h"

#include <algorithm>
#include <utility>

namespace fermo::node {
namespace {

// Copies wait while so much waits for the peer already.
constexpr size_t kRoom = 512 << 10;
constexpr auto kRoomPoll = std::chrono::milliseconds(20);
// Shorter pauses are put together.
constexpr auto kShortestPause = std::chrono::milliseconds(5);

}  // namespace

struct Copier::State {
  State(net::Executor e, const SpoolStore& store, Transport& t, uint64_t r, Logger l)
      : executor(std::move(e)), transport(t), rate(r), log(std::move(l)), reader(store, 1) {}
  net::Executor executor;
  Transport& transport;
  const uint64_t rate;
  Logger log;
  ContentReader reader;
  struct Queue {
    std::deque<cluster::SendCopies> work;
    bool running = false;
    uint64_t generation = 0;  // of the peer's connection
    Instant free_at{};        // when the rate allows the next copy
  };
  std::map<NodeId, Queue> queues;
  bool stopped = false;
};

Copier::Copier(net::Executor executor, const SpoolStore& store, Transport& transport, uint64_t rate,
               Logger log)
    : state_(std::make_shared<State>(std::move(executor), store, transport, rate, std::move(log))) {
}
Copier::~Copier() { state_->stopped = true; }

void Copier::Add(cluster::SendCopies copies) {
  const NodeId peer = copies.to;
  State::Queue& queue = state_->queues[peer];
  // What waits already is asked for again while it waits: it goes once.
  const auto waiting = std::find_if(queue.work.begin(), queue.work.end(), [&](const auto& work) {
    return work.segment.id == copies.segment.id;
  });
  if (waiting != queue.work.end()) {
    waiting->segment = std::move(copies.segment);
    waiting->seqs |= copies.seqs;
  } else {
    queue.work.push_back(std::move(copies));
  }
  if (!std::exchange(queue.running, true)) net::Spawn(state_->executor, Run(state_, peer));
}

void Copier::PeerGone(NodeId peer) {
  State::Queue& queue = state_->queues[peer];
  queue.work.clear();
  ++queue.generation;
}

size_t Copier::Pending() const {
  size_t count = 0;
  for (const auto& [peer, queue] : state_->queues) {
    for (const cluster::SendCopies& copies : queue.work) count += copies.seqs.cardinality();
  }
  return count;
}

net::Awaitable<void> Copier::Run(std::shared_ptr<State> state, NodeId peer) {
  State::Queue& queue = state->queues[peer];
  while (!state->stopped && !queue.work.empty()) {
    cluster::SendCopies& copies = queue.work.front();
    if (copies.seqs.isEmpty()) {
      queue.work.pop_front();
      continue;
    }
    const uint32_t seq = copies.seqs.minimum();
    copies.seqs.remove(seq);
    MessageId id{copies.segment.id, Seq(seq)};
    cluster::SegmentRecord segment = copies.segment;
    const uint64_t sent = co_await SendOne(state, peer, id, std::move(segment));
    const double seconds = static_cast<double>(sent) / static_cast<double>(state->rate);
    const Instant now = BootClock::now();
    queue.free_at = std::max(queue.free_at, now) +
                    std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
    const Duration pause = queue.free_at - now;
    if (pause >= kShortestPause) co_await net::SleepFor(pause);
  }
  queue.running = false;
}

net::Awaitable<bool> Copier::WaitForRoom(std::shared_ptr<State> state, NodeId peer) {
  const uint64_t generation = state->queues[peer].generation;
  while (!state->stopped && state->transport.QueuedBytes(peer) > kRoom) {
    co_await net::SleepFor(kRoomPoll);
  }
  co_return !state->stopped && state->queues[peer].generation == generation;
}

// Octets sent; 0 when there was nothing to send, or nobody to send it to.
net::Awaitable<uint64_t> Copier::SendOne(std::shared_ptr<State> state, NodeId peer, MessageId id,
                                         cluster::SegmentRecord segment) {
  const bool room = co_await WaitForRoom(state, peer);
  if (!room) co_return 0;
  auto opened = co_await state->reader.Open(id);
  if (!opened.ok()) {
    if (!absl::IsNotFound(opened.status())) {
      state->log.Error("copy_unreadable", {{log::kMessageId, id}, {log::kError, opened.status()}});
    }
    co_return 0;
  }
  const uint64_t size = opened->record.size;
  cluster::Append append;
  append.segment = std::move(segment);
  append.seq = id.seq;
  append.copy = true;
  append.record = MakeBytes(spool::Encode(opened->record));
  Bytes next = MakeBytes(std::move(opened->first_chunk));
  if (opened->record.chunks == 1) {
    append.chunk = next;
  } else {
    for (uint32_t index = 0; index < opened->record.chunks; ++index) {
      if (index > 0) {
        auto chunk = co_await state->reader.ReadChunk(id.segment, opened->record.body, index);
        if (!chunk.ok()) co_return 0;
        next = MakeBytes(*std::move(chunk));
      }
      cluster::Chunk message;
      message.segment = id.segment;
      message.body = opened->record.body;
      message.index = index;
      message.octets = next;
      cluster::SendData action;
      action.to = peer;
      action.message = std::move(message);
      state->transport.Send(std::move(action));
      const bool more = co_await WaitForRoom(state, peer);
      if (!more) co_return 0;
    }
  }
  cluster::SendData action;
  action.to = peer;
  action.message = std::move(append);
  state->transport.Send(std::move(action));
  co_return size;
}

}  // namespace fermo::node
