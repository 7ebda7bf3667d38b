#include "lib/spool/keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace fermo::spool {
namespace {

const SegmentId kSegment{NodeId(0x0102030405060708), 0x090a0b0c, 0x0d0e0f10};

std::string Hex(std::string_view octets) {
  std::string hex;
  for (char octet : octets) {
    hex += "0123456789abcdef"[static_cast<uint8_t>(octet) >> 4];
    hex += "0123456789abcdef"[static_cast<uint8_t>(octet) & 15];
  }
  return hex;
}

TEST(Keys, AreBigEndianNumbersOneAfterTheOther) {
  EXPECT_EQ(Hex(SegmentKey(kSegment).view()), "0102030405060708090a0b0c0d0e0f10");
  EXPECT_EQ(Hex(MessageKey(kSegment, Seq(0x11)).view()),
            "0102030405060708090a0b0c0d0e0f1000000011");
  EXPECT_EQ(Hex(BodyKey(kSegment, 0x12, 0x13).view()),
            "0102030405060708090a0b0c0d0e0f100000001200000013");
  EXPECT_EQ(Hex(RecipientKey(kSegment, Seq(0x14), 0x15).view()),
            "0102030405060708090a0b0c0d0e0f100000001400000015");
}

TEST(Keys, ComeBackAsTheyWere) {
  EXPECT_EQ(DecodeSegmentKey(SegmentKey(kSegment).view()).value(), kSegment);
  EXPECT_EQ(DecodeMessageKey(MessageKey(kSegment, Seq(7)).view()).value(),
            (MessageId{kSegment, Seq(7)}));
  auto body = DecodeBodyKey(BodyKey(kSegment, 8, 9).view());
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(body->segment, kSegment);
  EXPECT_EQ(body->body, 8u);
  EXPECT_EQ(body->chunk, 9u);
  auto leg = DecodeRecipientKey(RecipientKey(kSegment, Seq(UINT32_MAX), 10).view());
  ASSERT_TRUE(leg.ok());
  EXPECT_EQ(leg->segment, kSegment);
  EXPECT_EQ(leg->seq, Seq(UINT32_MAX));
  EXPECT_EQ(leg->leg, 10u);
}

TEST(Keys, SortLikeTheNumbersInThem) {
  std::vector<MessageId> ids;
  for (uint64_t writer : {uint64_t{1}, uint64_t{255}, uint64_t{256}, uint64_t{1} << 63}) {
    for (uint32_t boot : {1u, 256u}) {
      for (uint32_t number : {2u, 0x80000000u}) {
        for (uint32_t seq : {0u, 255u, 256u, UINT32_MAX}) {
          ids.push_back({{NodeId(writer), boot, number}, Seq(seq)});
        }
      }
    }
  }
  ASSERT_TRUE(std::is_sorted(ids.begin(), ids.end()));
  for (size_t i = 1; i < ids.size(); ++i) {
    EXPECT_LT(MessageKey(ids[i - 1].segment, ids[i - 1].seq).view(),
              MessageKey(ids[i].segment, ids[i].seq).view());
  }
}

TEST(Keys, OfAnotherLengthAreRefused) {
  for (size_t size : {0u, 1u, 15u, 17u, 19u, 21u, 23u, 25u}) {
    std::string key(size, 'k');
    EXPECT_TRUE(absl::IsDataLoss(DecodeSegmentKey(key).status())) << size;
    EXPECT_TRUE(absl::IsDataLoss(DecodeMessageKey(key).status())) << size;
    EXPECT_TRUE(absl::IsDataLoss(DecodeBodyKey(key).status())) << size;
    EXPECT_TRUE(absl::IsDataLoss(DecodeRecipientKey(key).status())) << size;
  }
}

TEST(EndOfPrefix, IsTheFirstKeyBehindAllThatBeginWithIt) {
  EXPECT_EQ(EndOfPrefix("ab"), "ac");
  EXPECT_EQ(EndOfPrefix("a\xff"), "b");
  EXPECT_EQ(EndOfPrefix("a\xff\xff"), "b");
  EXPECT_EQ(EndOfPrefix("\xff\xff"), "");
  EXPECT_EQ(EndOfPrefix(""), "");
}

}  // namespace
}  // namespace fermo::spool
