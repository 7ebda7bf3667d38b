#include "node/machine.h"

#include <string>

#include "absl/strings/ascii.h"
#include "lib/base/atomic_file.h"

namespace fermo::node {
namespace {

constexpr char kBootIdFile[] = "/proc/sys/kernel/random/boot_id";
constexpr char kKey[] = "machine-boot-id";
constexpr char kRestarted[] = " restarted";

}  // namespace

absl::StatusOr<bool> MachineRestarted(SpoolStore& store) {
  auto read = ReadFile(kBootIdFile);
  if (!read.ok()) return read.status();
  std::string present(absl::StripAsciiWhitespace(*read));
  auto noted = store.ReadMeta(kKey);
  if (!noted.ok() && !absl::IsNotFound(noted.status())) return noted.status();
  // The mark stays for as long as this boot of the machine: another restart of
  // the process does not bring the lost writes back.
  const std::string restarted = present + kRestarted;
  if (noted.ok() && (*noted == present || *noted == restarted)) return *noted == restarted;
  store.Write({spool::PutMeta{kKey, noted.ok() ? restarted : present}},
              spool::Durability::kUnsynced, nullptr);
  return noted.ok();
}

}  // namespace fermo::node
