#include "lib/rpc/snapshot_cache.h"

#include "absl/strings/str_cat.h"
#include "fermoposta/v1/control.pb.h"
#include "lib/base/atomic_file.h"
#include "lib/base/octet_codec.h"
#include "lib/rpc/channel.h"
#include "lib/rpc/convert.h"

namespace fermo::rpc {
namespace {

constexpr uint8_t kVersion = 1;

absl::Status Damaged(const std::string& file, absl::string_view problem) {
  return absl::DataLossError(absl::StrCat(file, ": ", problem));
}

}  // namespace

absl::Status WriteSnapshotCache(const std::string& file, std::string_view octets) {
  OctetWriter writer;
  writer.Octet(kVersion);
  writer.Text(octets);
  return WriteFileAtomically(file, writer.TakeChecked());
}

absl::StatusOr<cluster::Snapshot> ReadSnapshotCache(const std::string& file) {
  absl::StatusOr<std::string> octets = ReadFile(file, kMaxSnapshotBytes + 64);
  if (!octets.ok()) return octets.status();
  absl::StatusOr<std::string_view> checked = VerifyChecked(*octets, file);
  if (!checked.ok()) return checked.status();
  OctetReader reader(*checked);
  if (reader.Octet() != kVersion) return Damaged(file, "unknown version of the snapshot cache");
  const std::string_view text = reader.Text(kMaxSnapshotBytes);
  v1::Snapshot proto;
  if (!reader.Complete() || !proto.ParseFromArray(text.data(), static_cast<int>(text.size()))) {
    return Damaged(file, "not a snapshot");
  }
  absl::StatusOr<cluster::Snapshot> snapshot = FromProto(proto);
  if (!snapshot.ok()) return Damaged(file, snapshot.status().message());
  return snapshot;
}

}  // namespace fermo::rpc
