// Stands between RocksDB and the kernel in this test program: its fdatasync
// takes the place of the C library's, counts the syncs of write-ahead logs,
// reports how long each log was when it was synced, and fails when told to.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>

namespace fermo::node {

struct LogSynced {
  ino_t inode = 0;
  off_t length = 0;
};

struct SyncProbe {
  std::atomic<uint64_t> log_syncs{0};  // tried
  std::atomic<bool> fail{false};       // with EIO, before anything is synced
  // Called after each sync that succeeded, on the thread that synced.
  std::atomic<void (*)(const LogSynced&)> on_synced{nullptr};
};

SyncProbe& TheSyncProbe();

}  // namespace fermo::node
