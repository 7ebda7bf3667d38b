// What lies on one node's disk, in the shape in which a boot recovers it.
//
// A plain value, one thread. Unreadable octets fail the test that wrote them.
#pragma once

#include <map>
#include <tuple>
#include <vector>

#include "lib/cluster/replica_types.h"

namespace fermo::test {

class VirtualDisk {
 public:
  void Apply(const std::vector<spool::WriteOp>& ops);
  std::vector<cluster::RecoveredSegment> Recover(Instant now, Duration grace) const;
  const Bytes* Record(const MessageId& id) const;  // of a message that is not finished
  bool Holds(const MessageId& id) const { return records_.contains(id); }
  bool Aborted(const MessageId& id) const;
  bool Finished(const MessageId& id) const;  // by its mark, or by a closed record's list
  // An outcome of this leg, or that the message is finished.
  bool KnowsOutcome(const MessageId& id, uint32_t leg) const;
  bool HasBody(const SegmentId& id, uint32_t body, uint32_t chunks) const;
  const Bytes& Chunk(const SegmentId& id, uint32_t body, uint32_t index) const {
    return chunks_.at({id, body, index});
  }
  // Announcements outlive the segment unless who drops it drops them too.
  bool HasAttempts(const SegmentId& id) const;
  void LoseAttempts() { attempts_.clear(); }  // they were not synced
  bool Empty() const { return segments_.empty() && attempts_.empty(); }
  const std::map<SegmentId, cluster::RecoveredSegment>& segments() const { return segments_; }

 private:
  const cluster::RecoveredSegment* Find(const SegmentId& id) const;
  cluster::RecoveredSegment& At(const SegmentId& id);
  void EraseOf(const SegmentId& id);
  void DropBody(const SegmentId& id, uint32_t body, uint32_t chunks);

  std::map<SegmentId, cluster::RecoveredSegment> segments_;
  std::map<MessageId, Bytes> records_;
  std::map<MessageId, std::map<uint32_t, spool::LegOutcome>> outcomes_;
  std::map<MessageId, cluster::HeardAttempt> attempts_;
  std::map<std::tuple<SegmentId, uint32_t, uint32_t>, Bytes> chunks_;
};

}  // namespace fermo::test
