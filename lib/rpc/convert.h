// Our structures to their protobuf messages and back.
//
// Pure. ToProto cannot fail and overwrites *out. FromProto judges foreign
// input: InvalidArgument names the field; nothing half-read is returned.
// Protobuf classes are only declared here; includers that fill or read them
// include the generated header themselves.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/base/ids.h"
#include "lib/cluster/segment_record.h"
#include "lib/cluster/snapshot.h"
#include "lib/spool/record.h"

namespace fermoposta::v1 {
class EnqueueOpen;
class Join;
class LegOutcome;
class SegmentRecord;
class SegmentRef;
class SeqRanges;
class Snapshot;
}  // namespace fermoposta::v1

namespace fermo::rpc {

namespace v1 = ::fermoposta::v1;

void ToProto(const SegmentId& id, v1::SegmentRef* out);
absl::StatusOr<SegmentId> FromProto(const v1::SegmentRef& in);

void ToProto(const cluster::SegmentRecord& record, v1::SegmentRecord* out);
absl::StatusOr<cluster::SegmentRecord> FromProto(const v1::SegmentRecord& in);

// Half-open ranges as a flat list: begin0, end0, begin1, ... strictly
// ascending, so that ranges are not empty and do not touch.
void ToProto(const std::vector<uint32_t>& bounds, v1::SeqRanges* out);
absl::StatusOr<std::vector<uint32_t>> FromProto(const v1::SeqRanges& in);

// The reply is cleaned and cut to 512 octets rather than refused. Messages
// that carry seq and leg only (OutcomesStored) are not for FromProto.
void ToProto(const spool::LegOutcome& outcome, v1::LegOutcome* out);
absl::StatusOr<spool::LegOutcome> FromProto(const v1::LegOutcome& in);

// Domains come back sorted by name, as cluster::Snapshot wants them.
void ToProto(const cluster::Snapshot& snapshot, v1::Snapshot* out);
absl::StatusOr<cluster::Snapshot> FromProto(const v1::Snapshot& in);

// What opens a Spool.Enqueue.
struct EnqueueStart {
  std::string cluster_uuid;
  uint64_t token = 0;  // random, not 0
  spool::Envelope envelope;
  std::string session_id;
};
void ToProto(EnqueueStart start, v1::EnqueueOpen* out);
absl::StatusOr<EnqueueStart> FromProto(const v1::EnqueueOpen& in);

enum class Role { kNode = 1, kSmtpFrontend = 2, kCoordinator = 3 };

// How a process presents itself to the coordinators.
struct JoinInfo {
  Role role = Role::kNode;
  std::string name;
  std::string region;
  std::string cluster_uuid;  // empty at the first join
  NodeId node;               // nodes only
  uint32_t boot = 0;         // nodes only
  std::string advertise_address;
  std::string http_address;
  std::string smtp_address;  // frontends only
  std::string version;
};
void ToProto(const JoinInfo& join, v1::Join* out);
absl::StatusOr<JoinInfo> FromProto(const v1::Join& in);

}  // namespace fermo::rpc
