#include "lib/spool/slot.h"

#include <gtest/gtest.h>

#include "lib/base/octet_codec.h"
#include "lib/spool/limits.h"

namespace fermo::spool {
namespace {

std::string Sealed(std::string_view octets) {
  OctetWriter writer;
  writer.Raw(octets);
  return writer.TakeChecked();
}

TEST(Slot, OfALiveMessageGivesItsRecordUnchanged) {
  std::string octets = std::string(kLiveSlotPrefix) + "any octets";
  auto slot = DecodeSlot(octets);
  ASSERT_TRUE(slot.ok());
  EXPECT_EQ(slot->kind, Slot::Kind::kLive);
  EXPECT_EQ(slot->record, "any octets");
}

TEST(Slot, OfAnAbortedSeqComesBack) {
  auto slot = DecodeSlot(EncodeAbortedSlot());
  ASSERT_TRUE(slot.ok());
  EXPECT_EQ(slot->kind, Slot::Kind::kAborted);
}

TEST(Slot, OfAFinishedMessageKeepsItsOutcomesByLeg) {
  std::vector<Outcome> outcomes = {Outcome::kDelivered, Outcome::kBounced, Outcome::kNone,
                                   Outcome::kExpired, Outcome::kCancelled};
  auto slot = DecodeSlot(EncodeFinishedSlot(outcomes));
  ASSERT_TRUE(slot.ok());
  EXPECT_EQ(slot->kind, Slot::Kind::kFinished);
  EXPECT_EQ(slot->outcomes, outcomes);
}

TEST(Slot, ThatIsDamagedOrMalformedIsRefused) {
  std::string finished = EncodeFinishedSlot({Outcome::kDelivered});
  finished[2] = static_cast<char>(finished[2] ^ 1);
  OctetWriter too_many;
  too_many.Octet('F');
  too_many.Varint(kMaxLegs + 1);
  too_many.Raw(std::string(kMaxLegs + 1, '\x01'));
  const std::string refused[] = {
      "",
      "A",
      finished,
      Sealed(""),
      Sealed("Z"),
      Sealed("Ax"),
      Sealed("F"),
      Sealed(std::string("F\x02\x04", 3)),
      Sealed(std::string("F\x01\x05", 3)),
      Sealed(std::string("F\x01\x04\x04", 4)),
      too_many.TakeChecked(),
  };
  for (const std::string& octets : refused) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeSlot(octets).status())) << testing::PrintToString(octets);
  }
}

}  // namespace
}  // namespace fermo::spool
