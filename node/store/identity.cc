#include "node/store/identity.h"

#include <future>
#include <memory>
#include <utility>

#include "fmt/format.h"
#include "lib/base/octet_codec.h"
#include "lib/base/random.h"

namespace fermo::node {
namespace {

constexpr std::string_view kKey = "identity";
constexpr uint8_t kVersion = 1;
constexpr size_t kMaxUuidOctets = 64;

// docs/record-format.md
struct Stored {
  NodeId node;
  uint32_t boot = 0;
  bool stopped_cleanly = false;
  std::string cluster_uuid;
};

std::string Encode(const Stored& stored) {
  OctetWriter writer;
  writer.Octet(kVersion);
  writer.Fixed64(stored.node.value());
  writer.Varint(stored.boot);
  writer.Octet(stored.stopped_cleanly ? 1 : 0);
  writer.Text(stored.cluster_uuid);
  return writer.TakeChecked();
}

absl::StatusOr<Stored> Decode(std::string_view octets) {
  auto payload = VerifyChecked(octets, "the node's identity");
  if (!payload.ok()) return payload.status();
  OctetReader reader(*payload);
  if (reader.Octet() != kVersion) reader.Fail();
  Stored stored;
  stored.node = NodeId(reader.Fixed64());
  stored.boot = reader.Varint32();
  stored.stopped_cleanly = reader.Flag();
  stored.cluster_uuid = reader.Text(kMaxUuidOctets);
  if (!reader.Complete()) {
    return absl::DataLossError("the node's identity does not follow its format");
  }
  return stored;
}

absl::StatusOr<Stored> Read(const SpoolStore& store) {
  auto octets = store.ReadMeta(kKey);
  if (!octets.ok()) return octets.status();
  return Decode(*octets);
}

absl::Status WriteAndWait(SpoolStore& store, const Stored& stored) {
  // Shared, because the callback may still be leaving set_value when we go on.
  auto written = std::make_shared<std::promise<absl::Status>>();
  auto done = [written](const absl::Status& status) { written->set_value(status); };
  store.Write({spool::PutMeta{std::string(kKey), Encode(stored)}}, spool::Durability::kSynced,
              done);
  return written->get_future().get();
}

absl::Status RefuseNamelessSegments(const SpoolStore& store) {
  bool any = false;
  absl::Status status = store.ScanSegments([&any](const SegmentId&, std::string_view) {
    any = true;
    return false;
  });
  if (!status.ok()) return status;
  if (!any) return absl::OkStatus();
  return absl::DataLossError("the spool holds segments, but the node's identity is missing");
}

// 0 means nobody.
NodeId DrawNodeId() {
  uint64_t id = 0;
  while (id == 0) id = RandomSeed();
  return NodeId(id);
}

}  // namespace

absl::StatusOr<Identity> LoadIdentity(SpoolStore& store, uint32_t step) {
  Identity identity;
  auto stored = Read(store);
  if (absl::IsNotFound(stored.status())) {
    absl::Status status = RefuseNamelessSegments(store);
    if (!status.ok()) return status;
    identity.created = true;
    stored = Stored();
    stored->node = DrawNodeId();
    stored->stopped_cleanly = true;
  }
  if (!stored.ok()) return stored.status();
  if (stored->boot > UINT32_MAX - step) {
    return absl::ResourceExhaustedError("this data directory has no boot numbers left");
  }
  identity.last_stop_clean = stored->stopped_cleanly;
  stored->boot += step;
  stored->stopped_cleanly = false;
  absl::Status status = WriteAndWait(store, *stored);
  if (!status.ok()) return status;
  identity.node = stored->node;
  identity.boot = stored->boot;
  identity.cluster_uuid = stored->cluster_uuid;
  return identity;
}

absl::Status BindCluster(SpoolStore& store, std::string_view cluster_uuid) {
  if (cluster_uuid.empty() || cluster_uuid.size() > kMaxUuidOctets) {
    return absl::InvalidArgumentError(
        fmt::format("a cluster uuid has 1 to {} octets", kMaxUuidOctets));
  }
  auto stored = Read(store);
  if (!stored.ok()) return stored.status();
  if (stored->cluster_uuid == cluster_uuid) return absl::OkStatus();
  if (!stored->cluster_uuid.empty()) {
    return absl::FailedPreconditionError(
        fmt::format("the data directory of node {} belongs to cluster {}, not to {}",
                    ToString(stored->node), stored->cluster_uuid, cluster_uuid));
  }
  stored->cluster_uuid = std::string(cluster_uuid);
  return WriteAndWait(store, *stored);
}

absl::Status MarkCleanStop(SpoolStore& store) {
  auto stored = Read(store);
  if (!stored.ok()) return stored.status();
  stored->stopped_cleanly = true;
  return WriteAndWait(store, *stored);
}

}  // namespace fermo::node
