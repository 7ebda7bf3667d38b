#include "node/machine.h"

#include <filesystem>
#include <future>
#include <memory>

#include "absl/strings/ascii.h"
#include "lib/base/atomic_file.h"

namespace fermo::node {
namespace {

constexpr char kBootIdFile[] = "/proc/sys/kernel/random/boot_id";
constexpr char kMachineKey[] = "machine-boot-id";
constexpr char kRestarted[] = " restarted";
constexpr char kSuspectKey[] = "suspect";

}  // namespace

absl::StatusOr<std::string> MachineBootId() {
  auto read = ReadFile(kBootIdFile);
  if (!read.ok()) return read.status();
  return std::string(absl::StripAsciiWhitespace(*read));
}

absl::StatusOr<MachineStart> CompareMachine(const SpoolStore& store, const std::string& boot_id) {
  auto noted = store.ReadMeta(kMachineKey);
  if (!noted.ok() && !absl::IsNotFound(noted.status())) return noted.status();
  MachineStart start;
  if (!noted.ok() || *noted == boot_id) return start;
  start.restarted = true;
  start.first = *noted != boot_id + kRestarted;
  return start;
}

void NoteMachine(SpoolStore& store, const std::string& boot_id, const MachineStart& start) {
  store.Write({spool::PutMeta{kMachineKey, start.restarted ? boot_id + kRestarted : boot_id}},
              spool::Durability::kUnsynced, nullptr);
}

uint32_t BootStep(const MachineStart& start, uint64_t random) {
  constexpr uint64_t kLongest = 1 << 16;
  return start.first ? 1 + static_cast<uint32_t>(random % kLongest) : 1;
}

absl::StatusOr<bool> JudgeLastStop(SpoolStore& store, bool power_lost,
                                   const std::string& failure_mark) {
  auto noted = store.ReadMeta(kSuspectKey);
  if (!noted.ok() && !absl::IsNotFound(noted.status())) return noted.status();
  const bool disk_failed = std::filesystem::exists(failure_mark);
  if (!noted.ok() && !power_lost && !disk_failed) return false;
  // Shared, because the callback may still be leaving set_value when we go on.
  auto written = std::make_shared<std::promise<absl::Status>>();
  store.Write({spool::PutMeta{kSuspectKey, "1"}}, spool::Durability::kSynced,
              [written](const absl::Status& status) { written->set_value(status); });
  absl::Status status = written->get_future().get();
  if (!status.ok()) return status;
  std::error_code ignored;  // at worst it is suspect once more
  std::filesystem::remove(failure_mark, ignored);
  return true;
}

void EndSuspicion(SpoolStore& store) {
  store.Write({spool::DeleteMeta{kSuspectKey}}, spool::Durability::kUnsynced, nullptr);
}

}  // namespace fermo::node
