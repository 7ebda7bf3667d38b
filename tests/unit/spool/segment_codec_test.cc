#include "lib/cluster/segment_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/octet_codec.h"

namespace fermo::cluster {
namespace {

using ::testing::HasSubstr;

StoredSegment FullSegment() {
  StoredSegment segment;
  segment.record.id = {NodeId(0x5f3a9c0e12b47d68), 3, 1};
  segment.record.holders = {NodeId(0x5f3a9c0e12b47d68), NodeId(2), NodeId(UINT64_MAX)};
  segment.record.list_version = 4;
  segment.record.former_holders = {NodeId(9)};
  segment.record.write_copies = 2;
  segment.record.min_regions = 2;
  segment.record.epoch = Epoch(1000);
  segment.record.owner = NodeId(2);
  segment.record.sealed = true;
  segment.record.next_holders = {NodeId(2), NodeId(7)};
  segment.record.next_epoch = Epoch(1001);
  segment.record.regions = {"firenze", "roma"};
  segment.promised = Epoch(1001);
  segment.promised_to = NodeId(UINT64_MAX);
  segment.closed = true;
  segment.finished_ranges = {0, 17, 20, 4000000000};
  segment.aborted_ranges = {17, 20};
  return segment;
}

std::string Resealed(std::string octets) {
  octets.resize(octets.size() - 4);
  OctetWriter writer;
  writer.Raw(octets);
  return writer.TakeChecked();
}

TEST(StoredSegment, ComesBackAsItWas) {
  StoredSegment open;
  open.record.id = {NodeId(1), 1, 1};
  open.record.holders = {NodeId(1)};
  for (const StoredSegment& segment : {FullSegment(), open, StoredSegment()}) {
    auto decoded = DecodeStoredSegment(Encode(segment));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(*decoded, segment);
  }
}

TEST(StoredSegment, KeepsSealedAndClosedApart) {
  for (bool sealed : {false, true}) {
    for (bool closed : {false, true}) {
      StoredSegment segment = FullSegment();
      segment.record.sealed = sealed;
      segment.closed = closed;
      auto decoded = DecodeStoredSegment(Encode(segment));
      ASSERT_TRUE(decoded.ok());
      EXPECT_EQ(decoded->record.sealed, sealed);
      EXPECT_EQ(decoded->closed, closed);
    }
  }
}

TEST(StoredSegment, WithMalformedRangesIsRefused) {
  const std::vector<uint32_t> malformed[] = {{1}, {1, 1}, {2, 1}, {1, 3, 3, 5}, {1, 3, 2, 5}};
  for (const auto& ranges : malformed) {
    StoredSegment segment = FullSegment();
    segment.finished_ranges = ranges;
    EXPECT_TRUE(absl::IsDataLoss(DecodeStoredSegment(Encode(segment)).status()));
    segment = FullSegment();
    segment.aborted_ranges = ranges;
    EXPECT_TRUE(absl::IsDataLoss(DecodeStoredSegment(Encode(segment)).status()));
  }
}

TEST(StoredSegment, OfAnUnknownVersionIsRefusedByName) {
  std::string octets = Encode(FullSegment());
  octets[0] = 3;
  auto status = DecodeStoredSegment(Resealed(octets)).status();
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("version 3"));
}

TEST(StoredSegment, WithUnknownFlagsOrTrailingOctetsIsRefused) {
  std::string octets = Encode(FullSegment());
  octets[1] = 4;
  EXPECT_TRUE(absl::IsDataLoss(DecodeStoredSegment(Resealed(octets)).status()));
  octets = Encode(FullSegment());
  octets.insert(octets.size() - 4, "x");
  EXPECT_TRUE(absl::IsDataLoss(DecodeStoredSegment(Resealed(octets)).status()));
}

TEST(StoredSegment, CutOrDamagedAnywhereIsRefused) {
  std::string octets = Encode(FullSegment());
  for (size_t i = 0; i < octets.size(); ++i) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeStoredSegment(octets.substr(0, i)).status())) << i;
    std::string damaged = octets;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    EXPECT_TRUE(absl::IsDataLoss(DecodeStoredSegment(damaged).status())) << i;
    if (i < 4) continue;
    EXPECT_TRUE(absl::IsDataLoss(DecodeStoredSegment(Resealed(octets.substr(0, i))).status())) << i;
  }
}

// A count that promises more than there is must not make us allocate it.
TEST(StoredSegment, WithAnAbsurdCountOfHoldersIsRefused) {
  OctetWriter writer;
  writer.Octet(1);
  writer.Octet(0);
  writer.Fixed64(1);
  writer.Varint(1);
  writer.Varint(1);
  writer.Varint(UINT64_MAX);
  EXPECT_TRUE(absl::IsDataLoss(DecodeStoredSegment(writer.TakeChecked()).status()));
}

}  // namespace
}  // namespace fermo::cluster
