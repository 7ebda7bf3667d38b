#include "node/delivery/content_reader.h"

#include <utility>

#include "node/delivery/run_on.h"

namespace fermo::node {
namespace {

absl::StatusOr<ContentReader::Opened> OpenNow(const SpoolStore& store, const MessageId& id) {
  absl::StatusOr<std::string> octets = store.ReadMessage(id);
  if (!octets.ok()) return octets.status();
  absl::StatusOr<spool::MessageRecord> record = spool::DecodeMessageRecord(*octets);
  if (!record.ok()) return record.status();
  ContentReader::Opened opened;
  opened.record = *std::move(record);
  if (opened.record.chunks > 0) {
    absl::StatusOr<std::string> chunk = store.ReadChunk(id.segment, opened.record.body, 0);
    if (!chunk.ok()) return chunk.status();
    opened.first_chunk = *std::move(chunk);
  }
  return opened;
}

}  // namespace

net::Awaitable<absl::StatusOr<ContentReader::Opened>> ContentReader::Open(MessageId id) {
  return RunOn<Opened>(pool_, [this, id] { return OpenNow(store_, id); });
}

net::Awaitable<absl::StatusOr<spool::MessageRecord>> ContentReader::OpenRecord(MessageId id) {
  return RunOn<spool::MessageRecord>(pool_, [this, id]() -> absl::StatusOr<spool::MessageRecord> {
    absl::StatusOr<std::string> octets = store_.ReadMessage(id);
    if (!octets.ok()) return octets.status();
    return spool::DecodeMessageRecord(*octets);
  });
}

net::Awaitable<absl::StatusOr<std::string>> ContentReader::ReadChunk(SegmentId segment,
                                                                     uint32_t body,
                                                                     uint32_t index) {
  return RunOn<std::string>(
      pool_, [this, segment, body, index] { return store_.ReadChunk(segment, body, index); });
}

}  // namespace fermo::node
