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

namespace fermo {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

std::string EncodeSlot(const spool::Slot& slot) {
  switch (slot.kind) {
    case spool::Slot::Kind::kLive:
      return std::string(spool::kLiveSlotPrefix) + std::string(slot.record);
    case spool::Slot::Kind::kAborted:
      return spool::EncodeAbortedSlot();
    case spool::Slot::Kind::kFinished:
      return spool::EncodeFinishedSlot(slot.outcomes);
  }
  std::abort();
}

void TryAll(std::string_view octets) {
  auto record = spool::DecodeMessageRecord(octets);
  if (record.ok()) {
    Require(spool::Encode(*record) == octets);
    Require(spool::CheckLimits(*record).ok());
  }
  auto outcome = spool::DecodeLegOutcome(Seq(1), 2, octets);
  if (outcome.ok()) Require(spool::Encode(*outcome) == octets);
  auto slot = spool::DecodeSlot(octets);
  if (slot.ok()) Require(EncodeSlot(*slot) == octets);
  auto segment = cluster::DecodeStoredSegment(octets);
  if (segment.ok()) Require(cluster::Encode(*segment) == octets);
  auto leg = spool::DecodeRecipientKey(octets);
  if (leg.ok()) Require(spool::RecipientKey(leg->segment, leg->seq, leg->leg).view() == octets);
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
