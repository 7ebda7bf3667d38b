// What can be written to a spool. One write applies its operations atomically
// and in order. Pure values, so that the replication machine can name them and
// the simulator can keep them; node/store turns them into RocksDB batches.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "lib/base/bytes.h"
#include "lib/base/ids.h"
#include "lib/spool/record.h"

namespace fermo::spool {

struct PutSegment {  // `octets`: the holder's whole state of the segment
  SegmentId id;
  std::string octets;
};
struct DeleteSegment {  // and everything that is stored under it
  SegmentId id;
};
struct PutMessage {
  MessageId id;
  Bytes record;
};
struct PutChunk {
  SegmentId segment;
  uint32_t body = 0;
  uint32_t index = 0;
  Bytes octets;
};
struct PutAbort {  // the seq will never be a message; removes its record
  MessageId id;
  uint32_t body = 0;  // whose chunks go, if chunks > 0
  uint32_t chunks = 0;
};
struct DeleteBody {  // chunks of an upload that came to nothing
  SegmentId segment;
  uint32_t body = 0;
  uint32_t chunks = 0;
};
struct PutOutcome {
  SegmentId segment;
  LegOutcome outcome;
};
struct PutFinished {  // every outcome known to W: the record becomes a mark, body and outcomes go
  MessageId id;
  uint32_t body = 0;
  uint32_t chunks = 0;
  std::vector<Outcome> outcomes;  // by leg
};
struct PutMeta {
  std::string key;
  std::string value;
};
struct DeleteMeta {
  std::string key;
};
using WriteOp = std::variant<PutSegment, DeleteSegment, PutMessage, PutChunk, PutAbort, DeleteBody,
                             PutOutcome, PutFinished, PutMeta, DeleteMeta>;

// kSynced: on disk when the write is done. kUnsynced: before the next synced write is.
enum class Durability { kUnsynced, kSynced };

}  // namespace fermo::spool
