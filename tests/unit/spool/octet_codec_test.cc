#include "lib/base/octet_codec.h"

#include <gtest/gtest.h>

namespace fermo {
namespace {

std::string Octets(std::initializer_list<int> values) {
  std::string octets;
  for (int value : values) octets.push_back(static_cast<char>(value));
  return octets;
}

std::string VarintOf(uint64_t value) {
  OctetWriter writer;
  writer.Varint(value);
  return writer.Take();
}

TEST(Crc32c, GivesThePublishedCheckValues) {
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  // RFC 3720 appendix B.4, which prints the octets in the order of the wire.
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62A8AB43u);
}

TEST(OctetWriter, WritesFixedNumbersBigEndian) {
  OctetWriter writer;
  writer.Fixed32(0x01020304);
  writer.Fixed64(0x05060708090a0b0c);
  EXPECT_EQ(writer.Take(), Octets({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
}

TEST(OctetWriter, WritesVarintsWithTheLowestBitsFirst) {
  EXPECT_EQ(VarintOf(0), Octets({0}));
  EXPECT_EQ(VarintOf(127), Octets({0x7f}));
  EXPECT_EQ(VarintOf(128), Octets({0x80, 0x01}));
  EXPECT_EQ(VarintOf(300), Octets({0xac, 0x02}));
  EXPECT_EQ(VarintOf(UINT64_MAX).size(), 10u);
}

TEST(OctetReader, ReadsBackWhatWasWritten) {
  OctetWriter writer;
  writer.Octet(7);
  writer.Fixed32(0xdeadbeef);
  writer.Fixed64(0x123456789abcdef0);
  writer.Text("poste restante");
  for (int shift = 0; shift < 64; ++shift) writer.Varint((uint64_t{1} << shift) - 1);
  writer.Varint(UINT64_MAX);
  std::string octets = writer.Take();

  OctetReader reader(octets);
  EXPECT_EQ(reader.Octet(), 7);
  EXPECT_EQ(reader.Fixed32(), 0xdeadbeefu);
  EXPECT_EQ(reader.Fixed64(), 0x123456789abcdef0u);
  EXPECT_EQ(reader.Text(100), "poste restante");
  for (int shift = 0; shift < 64; ++shift) {
    EXPECT_EQ(reader.Varint(), (uint64_t{1} << shift) - 1);
  }
  EXPECT_EQ(reader.Varint(), UINT64_MAX);
  EXPECT_TRUE(reader.Complete());
}

TEST(OctetReader, StaysFailedAfterReadingPastTheEnd) {
  OctetReader reader("abc");
  EXPECT_EQ(reader.Fixed32(), 0u);
  EXPECT_TRUE(reader.failed());
  EXPECT_EQ(reader.Octet(), 0);
  EXPECT_EQ(reader.left(), 0u);
  EXPECT_FALSE(reader.Complete());
}

TEST(OctetReader, IsNotCompleteWhileOctetsAreLeft) {
  OctetReader reader("ab");
  reader.Octet();
  EXPECT_FALSE(reader.failed());
  EXPECT_FALSE(reader.Complete());
}

TEST(OctetReader, RefusesAVarintThatIsLongerThanNeeded) {
  std::string octets = Octets({0x80, 0x00});
  OctetReader reader(octets);
  reader.Varint();
  EXPECT_TRUE(reader.failed());
}

TEST(OctetReader, RefusesAVarintBeyond64Bits) {
  for (int last : {0x02, 0x81}) {
    std::string octets(9, '\xff');
    octets.push_back(static_cast<char>(last));
    octets.push_back('\x01');
    OctetReader reader(octets);
    reader.Varint();
    EXPECT_TRUE(reader.failed()) << last;
  }
}

TEST(OctetReader, RefusesAVarintAboveTheCallersLimit) {
  std::string octets = VarintOf(1000);
  OctetReader within(octets);
  EXPECT_EQ(within.Varint(1000), 1000u);
  OctetReader above(octets);
  EXPECT_EQ(above.Varint(999), 0u);
  EXPECT_TRUE(above.failed());
}

TEST(OctetReader, RefusesATextLongerThanItsLimitOrThanWhatIsLeft) {
  OctetReader over_limit(
      "\x03"
      "abc");
  over_limit.Text(2);
  EXPECT_TRUE(over_limit.failed());
  OctetReader cut(
      "\x04"
      "abc");
  cut.Text(100);
  EXPECT_TRUE(cut.failed());
}

TEST(OctetReader, RefusesAFlagThatIsNeitherZeroNorOne) {
  OctetReader reader("\x02");
  reader.Flag();
  EXPECT_TRUE(reader.failed());
}

TEST(VerifyChecked, FindsEveryFlippedBit) {
  OctetWriter writer;
  writer.Raw("some record");
  std::string sealed = writer.TakeChecked();
  ASSERT_EQ(VerifyChecked(sealed, "record").value(), "some record");
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string damaged = sealed;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_TRUE(absl::IsDataLoss(VerifyChecked(damaged, "record").status())) << bit;
  }
}

TEST(VerifyChecked, RefusesOctetsShorterThanAChecksum) {
  EXPECT_TRUE(absl::IsDataLoss(VerifyChecked("abc", "record").status()));
}

}  // namespace
}  // namespace fermo
