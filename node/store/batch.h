// Turns write operations into one RocksDB batch.
//
// Ownership: owns the batch and its memory, which is kept between uses, and
// shares the records in it until it is cleared.
// Threading: one thread, the writer's; a mark of a finished message reads the
// record that it replaces. Failure: RocksDB refuses to add to a batch only when
// it is out of memory or the key is absurd. A record that can't be read costs
// its mark the domains and nothing else.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lib/base/bytes.h"
#include "lib/base/ids.h"
#include "lib/spool/write_op.h"
#include "node/store/database.h"
#include "rocksdb/write_batch.h"

namespace fermo::node {

// About how many octets the operation adds to a batch.
size_t SizeOf(const spool::WriteOp& op);

class Batch {
 public:
  explicit Batch(const Database& database) : database_(database) {}

  rocksdb::Status Add(const spool::WriteOp& op);
  void Clear();

  rocksdb::WriteBatch* get() { return &batch_; }
  size_t operations() const { return operations_; }
  size_t deleted_segments() const { return deleted_segments_; }

 private:
  rocksdb::Status Apply(const spool::PutSegment& op);
  rocksdb::Status Apply(const spool::DeleteSegment& op);
  rocksdb::Status Apply(const spool::PutMessage& op);
  rocksdb::Status Apply(const spool::PutChunk& op);
  rocksdb::Status Apply(const spool::PutAbort& op);
  rocksdb::Status Apply(const spool::DeleteBody& op);
  rocksdb::Status Apply(const spool::PutOutcome& op);
  rocksdb::Status Apply(const spool::PutFinished& op);
  rocksdb::Status Apply(const spool::PutMeta& op);
  rocksdb::Status Apply(const spool::DeleteMeta& op);
  std::vector<std::string> DomainsOf(const MessageId& id) const;
  rocksdb::Status DeleteChunks(const SegmentId& segment, uint32_t body, uint32_t chunks);

  const Database& database_;
  rocksdb::WriteBatch batch_;
  absl::flat_hash_map<MessageId, Bytes> records_;  // that are in the batch and not yet readable
  size_t operations_ = 0;
  size_t deleted_segments_ = 0;
};

}  // namespace fermo::node
