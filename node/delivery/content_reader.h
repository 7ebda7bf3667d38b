// Reads messages from the spool without blocking the core executor.
//
// Owns a small thread pool; the store outlives it. Coroutines on any executor
// may ask and are resumed there. A read can't be cut short: the disk answers or
// the process is stuck anyway. Destroy it while the askers' executor still
// exists. Failure: as SpoolStore's reads, and DataLoss for records that can't
// be decoded.
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "lib/base/ids.h"
#include "lib/net/asio.h"
#include "lib/spool/record.h"
#include "node/store/spool_store.h"

namespace fermo::node {

class ContentReader {
 public:
  struct Opened {
    spool::MessageRecord record;
    std::string first_chunk;  // empty if the content is
  };

  ContentReader(const SpoolStore& store, size_t threads) : store_(store), pool_(threads) {}
  ~ContentReader() { pool_.join(); }

  net::Awaitable<absl::StatusOr<Opened>> Open(MessageId id);
  net::Awaitable<absl::StatusOr<spool::MessageRecord>> OpenRecord(MessageId id);
  net::Awaitable<absl::StatusOr<std::string>> ReadChunk(SegmentId segment, uint32_t body,
                                                        uint32_t index);

 private:
  const SpoolStore& store_;
  net::asio::thread_pool pool_;
};

}  // namespace fermo::node
