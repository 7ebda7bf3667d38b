// What delivery asks of the replicated spool before, during and after an
// attempt. Implemented by node/replication; faked by nobody but unit tests of
// scheduling.
//
// Threading: all calls and callbacks on the node's core executor. Failure:
// every method answers; a lost lease, a claim by another node, or a known
// outcome stops the attempt and is no error of the message.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "lib/base/ids.h"
#include "lib/spool/record.h"

namespace fermo::node {

enum class AnnounceVerdict {
  kCleared,  // W holders acknowledged: the final dot may go while MayFinish says so
  kStopped,  // not the owner any more, or an outcome of a leg is already known
};

class Ownership {
 public:
  virtual ~Ownership() = default;

  // Whether leases from W holders run, so that an attempt may start.
  virtual bool MayStart(const SegmentId& segment) const = 0;

  // Announces the legs of an attempt to the holders. `done` is called once,
  // never from within Announce. One attempt per message at a time.
  virtual void Announce(const MessageId& message, std::vector<uint32_t> legs,
                        std::function<void(AnnounceVerdict)> done) = 0;

  // Checked immediately before the final dot: leases run from W holders and
  // the announcement is cleared.
  virtual bool MayFinish(const MessageId& message) const = 0;

  // Ends an attempt: outcomes are made durable and replicated; announced legs
  // without one are withdrawn and may be tried again later. Fills in epoch,
  // node and seq of the outcomes itself.
  virtual void Finish(const MessageId& message, std::vector<spool::LegOutcome> outcomes) = 0;
};

}  // namespace fermo::node
