#include "lib/spool/slot.h"

#include "absl/status/status.h"
#include "lib/base/octet_codec.h"
#include "lib/spool/limits.h"

namespace fermo::spool {
namespace {

constexpr uint8_t kAborted = 'A';
constexpr uint8_t kFinished = 'F';

absl::StatusOr<Slot> DecodeMark(std::string_view octets) {
  auto payload = VerifyChecked(octets, "mark of a message");
  if (!payload.ok()) return payload.status();
  OctetReader reader(*payload);
  Slot slot;
  uint8_t kind = reader.Octet();
  if (kind == kAborted) {
    slot.kind = Slot::Kind::kAborted;
  } else if (kind == kFinished) {
    slot.kind = Slot::Kind::kFinished;
    uint64_t legs = reader.Varint(kMaxLegs);
    for (uint64_t i = 0; i < legs && !reader.failed(); ++i) {
      uint8_t outcome = reader.Octet();
      if (outcome > static_cast<uint8_t>(Outcome::kDelivered)) reader.Fail();
      slot.outcomes.push_back(static_cast<Outcome>(outcome));
    }
  } else {
    reader.Fail();
  }
  if (!reader.Complete())
    return absl::DataLossError("mark of a message does not follow its format");
  return slot;
}

}  // namespace

std::string EncodeAbortedSlot() {
  OctetWriter writer;
  writer.Octet(kAborted);
  return writer.TakeChecked();
}

std::string EncodeFinishedSlot(const std::vector<Outcome>& outcomes) {
  OctetWriter writer;
  writer.Octet(kFinished);
  writer.Varint(outcomes.size());
  for (Outcome outcome : outcomes) writer.Octet(static_cast<uint8_t>(outcome));
  return writer.TakeChecked();
}

absl::StatusOr<Slot> DecodeSlot(std::string_view octets) {
  if (octets.substr(0, kLiveSlotPrefix.size()) != kLiveSlotPrefix) return DecodeMark(octets);
  Slot slot;
  slot.record = octets.substr(kLiveSlotPrefix.size());
  return slot;
}

}  // namespace fermo::spool
