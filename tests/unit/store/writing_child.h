// A process that writes messages to a spool until it is killed, and reports on
// a pipe what it was told is durable and what its logs' synced lengths are.
#pragma once

#include <cstdint>
#include <string>

namespace fermo::node {

// One report; smaller than PIPE_BUF, so whole or not at all.
struct ChildReport {
  enum Kind : uint64_t { kAcknowledged = 1, kLogSynced = 2 };
  uint64_t kind = 0;
  uint64_t a = 0;  // seq; inode
  uint64_t b = 0;  // 0; length
};

// The content of the chunk and of the record that belong to a seq.
std::string ChunkOf(uint32_t seq);
std::string RecordOf(uint32_t seq);

// Never returns but by being killed or by a failure, which ends the process.
[[noreturn]] void RunWritingChild(const std::string& directory, uint32_t first_seq, int report_fd);

}  // namespace fermo::node
