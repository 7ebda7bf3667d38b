#include "lib/spool/slot.h"

#include "absl/status/status.h"
#include "lib/base/octet_codec.h"
#include "lib/spool/limits.h"

namespace fermo::spool {
namespace {

constexpr uint8_t kAborted = 'A';
constexpr uint8_t kFinished = 'F';

void ReadOutcomes(OctetReader& reader, Slot& slot) {
  uint64_t legs = reader.Varint(kMaxLegs);
  for (uint64_t i = 0; i < legs && !reader.failed(); ++i) {
    uint8_t outcome = reader.Octet();
    if (outcome > static_cast<uint8_t>(Outcome::kDelivered)) reader.Fail();
    slot.outcomes.push_back(static_cast<Outcome>(outcome));
  }
}

// Most messages have one recipient, and the recipients of one domain mostly
// stand together: a domain is named once for all legs in a row.
void WriteDomains(const std::vector<std::string_view>& domains, OctetWriter& writer) {
  std::vector<size_t> begins;  // of the runs
  for (size_t i = 0; i < domains.size(); ++i) {
    if (i == 0 || domains[i] != domains[i - 1]) begins.push_back(i);
  }
  writer.Varint(begins.size());
  for (size_t run = 0; run < begins.size(); ++run) {
    const size_t end = run + 1 < begins.size() ? begins[run + 1] : domains.size();
    writer.Varint(end - begins[run]);
    writer.Text(domains[begins[run]]);
  }
}

void ReadDomains(OctetReader& reader, Slot& slot) {
  uint64_t runs = reader.Varint(kMaxLegs);
  for (uint64_t i = 0; i < runs && !reader.failed(); ++i) {
    uint64_t legs = reader.Varint(kMaxLegs - slot.domains.size());
    std::string_view domain = reader.Text(kMaxPathOctets);
    // One value has one encoding: no empty runs, and neighbours differ.
    if (legs == 0 || (i > 0 && domain == slot.domains.back())) reader.Fail();
    if (!reader.failed()) slot.domains.insert(slot.domains.end(), legs, domain);
  }
}

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
    ReadOutcomes(reader, slot);
    ReadDomains(reader, slot);
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

std::string EncodeFinishedSlot(const std::vector<Outcome>& outcomes,
                               const std::vector<std::string_view>& domains) {
  OctetWriter writer;
  writer.Octet(kFinished);
  writer.Varint(outcomes.size());
  for (Outcome outcome : outcomes) writer.Octet(static_cast<uint8_t>(outcome));
  WriteDomains(domains, writer);
  return writer.TakeChecked();
}

absl::StatusOr<Slot> DecodeSlot(std::string_view octets) {
  if (octets.substr(0, kLiveSlotPrefix.size()) != kLiveSlotPrefix) return DecodeMark(octets);
  Slot slot;
  slot.record = octets.substr(kLiveSlotPrefix.size());
  return slot;
}

}  // namespace fermo::spool
