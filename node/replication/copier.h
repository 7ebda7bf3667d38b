// Sends messages that a peer lacks, read from the store, behind fresh mail and
// never faster than the peer takes them.
//
// Ownership: by the spool core; the store and the transport outlive it.
// Threading: the core executor; the disk is read on a thread of its own.
// Failure: a message that can't be read is left out and logged; one that is
// gone meanwhile was finished. What a broken stream loses is found again by
// the next comparison of inventories.
#pragma once

#include <deque>
#include <map>
#include <memory>

#include "lib/base/log.h"
#include "lib/cluster/replica_types.h"
#include "lib/net/asio.h"
#include "node/delivery/content_reader.h"
#include "node/replication/transport.h"

namespace fermo::node {

class Copier {
 public:
  // `rate`: octets a second to each peer, so that copies never crowd out fresh mail.
  Copier(net::Executor executor, const SpoolStore& store, Transport& transport, uint64_t rate,
         Logger log);
  ~Copier();

  void Add(cluster::SendCopies copies);
  void PeerGone(NodeId peer);  // forget what was to be sent to it
  size_t Pending() const;      // messages

 private:
  struct State;
  static net::Awaitable<void> Run(std::shared_ptr<State> state, NodeId peer);
  static net::Awaitable<uint64_t> SendOne(std::shared_ptr<State> state, NodeId peer, MessageId id,
                                          cluster::SegmentRecord segment);
  static net::Awaitable<bool> WaitForRoom(std::shared_ptr<State> state, NodeId peer);
  std::shared_ptr<State> state_;
};

}  // namespace fermo::node
