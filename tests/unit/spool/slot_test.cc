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
  const std::string octets = EncodeFinishedSlot(outcomes, {});
  auto slot = DecodeSlot(octets);
  ASSERT_TRUE(slot.ok());
  EXPECT_EQ(slot->kind, Slot::Kind::kFinished);
  EXPECT_EQ(slot->outcomes, outcomes);
  EXPECT_TRUE(slot->domains.empty());
}

TEST(Slot, OfAFinishedMessageKeepsTheDomainsByLeg) {
  const std::vector<std::string_view> domains[] = {
      {"a.test"},
      {"a.test", "a.test", "a.test"},
      {"a.test", "b.test", "b.test", "a.test", "", ""},
      std::vector<std::string_view>(kMaxLegs, "a.test"),
  };
  for (const auto& some : domains) {
    const std::string octets = EncodeFinishedSlot({Outcome::kDelivered}, some);
    auto slot = DecodeSlot(octets);
    ASSERT_TRUE(slot.ok());
    EXPECT_EQ(slot->outcomes, std::vector{Outcome::kDelivered});
    EXPECT_EQ(slot->domains, some);
  }
}

TEST(Slot, NamesADomainOnceForAllLegsInARow) {
  const std::vector<Outcome> outcomes(100, Outcome::kDelivered);
  const std::vector<std::string_view> same(100, "example.test");
  const size_t without = EncodeFinishedSlot(outcomes, {}).size();
  EXPECT_EQ(EncodeFinishedSlot(outcomes, same).size(), without + 2 + 12);
}

TEST(Slot, ThatIsDamagedOrMalformedIsRefused) {
  std::string finished = EncodeFinishedSlot({Outcome::kDelivered}, {});
  finished[2] = static_cast<char>(finished[2] ^ 1);
  OctetWriter too_many;
  too_many.Octet('F');
  too_many.Varint(kMaxLegs + 1);
  too_many.Raw(std::string(kMaxLegs + 1, '\x01'));
  too_many.Varint(0);
  OctetWriter too_many_domains;
  too_many_domains.Raw(std::string_view("F\0\x02", 3));
  for (const char* domain : {"a", "b"}) {
    too_many_domains.Varint(kMaxLegs / 2 + 1);
    too_many_domains.Text(domain);
  }
  const std::string refused[] = {
      "",
      "A",
      finished,
      Sealed(""),
      Sealed("Z"),
      Sealed("Ax"),
      Sealed("F"),
      Sealed(std::string("F\x02\x04", 3)),
      Sealed(std::string("F\x01\x05\0", 4)),
      Sealed(std::string("F\x01\x04", 3)),                         // no domains
      Sealed(std::string("F\x01\x04\x01", 4)),                     // a run is missing
      Sealed(std::string("F\x01\x04\x01\0\x01y", 7)),              // an empty run
      Sealed(std::string("F\x01\x04\x02\x01\x01y\x01\x01y", 10)),  // a run in two
      Sealed(std::string("F\x01\x04\0\x04", 5)),
      too_many.TakeChecked(),
      too_many_domains.TakeChecked(),
  };
  for (const std::string& octets : refused) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeSlot(octets).status())) << testing::PrintToString(octets);
  }
}

}  // namespace
}  // namespace fermo::spool
