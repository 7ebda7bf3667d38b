// How long each peer takes to acknowledge an append: sent to stored.
//
// Threading: the core executor. No failure. Memory: one entry an append under
// way, up to a limit; appends beyond it are not measured.
#pragma once

#include <deque>
#include <map>

#include "lib/base/ids.h"
#include "lib/base/time.h"
#include "lib/cluster/messages.h"

namespace fermo::node {

class AckTimes {
 public:
  void Sent(NodeId peer, const MessageId& message, Instant now) {
    std::deque<Entry>& waiting = waiting_[peer];
    // The oldest stay: it is their age that says how far the peer is behind.
    if (waiting.size() < kMost) waiting.push_back({message, now});
  }
  // Peers acknowledge in order; calls `observe` for each append that this covers.
  template <class Observe>
  void Stored(NodeId peer, const cluster::Stored& stored, Instant now, Observe observe) {
    std::deque<Entry>& waiting = waiting_[peer];
    while (!waiting.empty() && waiting.front().message.segment == stored.segment &&
           cluster::Contains(stored.seqs, waiting.front().message.seq)) {
      if (!stored.refused) observe(now - waiting.front().sent);
      waiting.pop_front();
    }
  }
  // The age of the oldest append that is not acknowledged yet; zero: there is none.
  // Appends that were lost on the way and that the peer came to have otherwise, or
  // needs no more, are no longer `awaited` and are forgotten.
  template <class Awaited>
  Duration Lag(NodeId peer, Instant now, Awaited awaited) {
    const auto it = waiting_.find(peer);
    if (it == waiting_.end()) return Duration::zero();
    std::deque<Entry>& waiting = it->second;
    while (!waiting.empty() && !awaited(waiting.front().message)) waiting.pop_front();
    return waiting.empty() ? Duration::zero() : now - waiting.front().sent;
  }
  void PeerGone(NodeId peer) { waiting_.erase(peer); }

 private:
  static constexpr size_t kMost = 4096;
  struct Entry {
    MessageId message;
    Instant sent{};
  };
  std::map<NodeId, std::deque<Entry>> waiting_;
};

}  // namespace fermo::node
