// How long each peer takes to acknowledge an append: sent to stored.
//
// Threading: the core executor. No failure; what is never acknowledged is
// forgotten. Memory: one entry an append under way.
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
    if (waiting.size() >= kMost) waiting.pop_front();
    waiting.push_back({message, now});
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
    while (!waiting.empty() && now - waiting.front().sent > kLongest) waiting.pop_front();
  }
  void PeerGone(NodeId peer) { waiting_.erase(peer); }

 private:
  static constexpr size_t kMost = 4096;
  static constexpr Duration kLongest = std::chrono::seconds(30);
  struct Entry {
    MessageId message;
    Instant sent{};
  };
  std::map<NodeId, std::deque<Entry>> waiting_;
};

}  // namespace fermo::node
