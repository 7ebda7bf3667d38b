// Any octets, as a record: decoding must refuse or understand them, and what
// it understands must encode to the same octets again. The checksum is put
// right first, or no input would get past it; without it is tried as well.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/base/octet_codec.h"
#include "lib/cluster/segment_codec.h"
#include "lib/spool/keys.h"
#include "lib/spool/record.h"
#include "lib/spool/slot.h"
#include "tests/fuzz/check.h"

namespace fermo {
namespace {

std::string EncodeSlot(const spool::Slot& slot) {
  switch (slot.kind) {
    case spool::Slot::Kind::kLive:
      return std::string(spool::kLiveSlotPrefix) + std::string(slot.record);
    case spool::Slot::Kind::kAborted:
      return spool::EncodeAbortedSlot();
    case spool::Slot::Kind::kFinished:
      return spool::EncodeFinishedSlot(slot.outcomes, slot.domains);
  }
  std::abort();
}

void TryAll(std::string_view octets) {
  auto record = spool::DecodeMessageRecord(octets);
  if (record.ok()) {
    Check(spool::Encode(*record) == octets, "a record has one encoding");
    Check(spool::CheckLimits(*record).ok(), "what is decoded keeps to the limits");
  }
  auto outcome = spool::DecodeLegOutcome(Seq(1), 2, octets);
  if (outcome.ok()) Check(spool::Encode(*outcome) == octets, "an outcome has one encoding");
  auto slot = spool::DecodeSlot(octets);
  if (slot.ok()) Check(EncodeSlot(*slot) == octets, "a slot has one encoding");
  auto segment = cluster::DecodeStoredSegment(octets);
  if (segment.ok()) Check(cluster::Encode(*segment) == octets, "a segment has one encoding");
  auto leg = spool::DecodeRecipientKey(octets);
  if (!leg.ok()) return;
  Check(spool::RecipientKey(leg->segment, leg->seq, leg->leg).view() == octets,
        "a key has one encoding");
}

}  // namespace
}  // namespace fermo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view octets(reinterpret_cast<const char*>(data), size);
  fermo::TryAll(octets);
  fermo::OctetWriter writer;
  writer.Raw(octets);
  fermo::TryAll(writer.TakeChecked());
  return 0;
}
