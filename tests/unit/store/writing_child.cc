#include "tests/unit/store/writing_child.h"

#include <unistd.h>

#include <cstdio>
#include <semaphore>

#include "tests/unit/store/store_fixture.h"
#include "tests/unit/store/sync_probe.h"

namespace fermo::node {
namespace {

constexpr int kInFlight = 16;

int the_report_fd = -1;

void Report(ChildReport::Kind kind, uint64_t a, uint64_t b) {
  ChildReport report{kind, a, b};
  if (write(the_report_fd, &report, sizeof(report)) != sizeof(report)) _exit(3);
}

}  // namespace

std::string ChunkOf(uint32_t seq) {
  // Mostly small, sometimes large enough to roll logs and tables.
  size_t size = seq % 37 == 0 ? 256 * 1024 : 100 + seq % 7 * 1000;
  std::string octets(size, '\0');
  for (size_t i = 0; i < size; ++i) octets[i] = static_cast<char>(seq + i * 13);
  return octets;
}

std::string RecordOf(uint32_t seq) { return "record of " + std::to_string(seq); }

void RunWritingChild(const std::string& directory, uint32_t first_seq, int report_fd) {
  the_report_fd = report_fd;
  TheSyncProbe().on_synced = [](const LogSynced& synced) {
    Report(ChildReport::kLogSynced, synced.inode, static_cast<uint64_t>(synced.length));
  };
  StoreOptions options;
  options.directory = directory;
  options.on_fatal = [](const absl::Status&) { _exit(4); };
  auto store = SpoolStore::Open(std::move(options));
  if (!store.ok()) {
    fprintf(stderr, "%s\n", store.status().ToString().c_str());
    _exit(2);
  }
  std::counting_semaphore<kInFlight> room(kInFlight);
  for (uint32_t seq = first_seq;; ++seq) {
    room.acquire();
    // As large mail does it: the chunk unsynced, the message commits both.
    (*store)->Write({Chunk(kSegment, seq, 0, ChunkOf(seq))}, spool::Durability::kUnsynced, nullptr);
    (*store)->Write({Message(kSegment, seq, RecordOf(seq))}, spool::Durability::kSynced,
                    [seq, &room](const absl::Status& status) {
                      if (!status.ok()) _exit(5);
                      Report(ChildReport::kAcknowledged, seq, 0);
                      room.release();
                    });
  }
}

}  // namespace fermo::node
