// Pieces that the control and the data converters share. Internal to lib/rpc.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "fermoposta/v1/replication.pb.h"
#include "lib/cluster/messages.h"
#include "lib/rpc/convert.h"

// Assigns the value of a StatusOr expression or returns its status.
#define FERMO_TAKE(target, expression)      \
  do {                                      \
    auto taken = (expression);              \
    if (!taken.ok()) return taken.status(); \
    (target) = *std::move(taken);           \
  } while (false)

namespace fermo::rpc::detail {

namespace pb = ::fermoposta::v1;

inline Duration FromMillis(uint32_t millis) { return std::chrono::milliseconds(millis); }
inline uint32_t ToMillis(Duration duration) {
  auto millis = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
  return static_cast<uint32_t>(std::clamp<int64_t>(millis, 0, ~0u));
}

void SetToProto(const cluster::SeqSet& set, pb::SeqRanges* out);
absl::StatusOr<cluster::SeqSet> SetFromProto(const pb::SeqRanges& in);
absl::StatusOr<Seq> SeqFromProto(uint32_t seq);
absl::StatusOr<std::vector<spool::LegOutcome>> OutcomesFromProto(
    const google::protobuf::RepeatedPtrField<pb::LegOutcome>& in);

// Octets of the reply as it is sent.
size_t ReplySize(const spool::LegOutcome& outcome);
// False: too much; the outcomes are sent without their replies.
bool TellsReplies(const cluster::Inventory& inventory);
void ToProto(const cluster::Inventory& inventory, pb::Inventory* out);
absl::StatusOr<cluster::Inventory> InventoryFromProto(const pb::Inventory& in);
void ToProto(const cluster::FinishedMessage& finished, pb::FinishedMessage* out);
absl::StatusOr<cluster::FinishedMessage> FinishedFromProto(const pb::FinishedMessage& in);

}  // namespace fermo::rpc::detail
