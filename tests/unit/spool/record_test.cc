#include "lib/spool/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/octet_codec.h"
#include "lib/spool/limits.h"

namespace fermo::spool {
namespace {

using ::testing::HasSubstr;

MessageRecord FullRecord() {
  MessageRecord record;
  record.envelope.reverse_path = "anna@sender.test";
  record.envelope.forward_paths = {"bruno@example.test", "\"c@c\"@example.test"};
  record.envelope.body = BodyType::k8BitMime;
  record.envelope.helo = "mail.sender.test";
  record.envelope.client_address = "2001:db8::25";
  record.received_at = WallTime(std::chrono::milliseconds(1767225600123));
  record.token = 0xfedcba9876543210;
  record.body = UINT32_MAX;
  record.chunks = 101;
  record.size = 26'214'400;
  for (size_t i = 0; i < kDigestSize; ++i) record.digest[i] = static_cast<uint8_t>(i * 7);
  return record;
}

void ExpectEqual(const MessageRecord& a, const MessageRecord& b) {
  EXPECT_EQ(a.envelope.reverse_path, b.envelope.reverse_path);
  EXPECT_EQ(a.envelope.forward_paths, b.envelope.forward_paths);
  EXPECT_EQ(a.envelope.body, b.envelope.body);
  EXPECT_EQ(a.envelope.helo, b.envelope.helo);
  EXPECT_EQ(a.envelope.client_address, b.envelope.client_address);
  EXPECT_EQ(a.received_at, b.received_at);
  EXPECT_EQ(a.token, b.token);
  EXPECT_EQ(a.body, b.body);
  EXPECT_EQ(a.chunks, b.chunks);
  EXPECT_EQ(a.size, b.size);
  EXPECT_EQ(a.digest, b.digest);
}

std::string Resealed(std::string octets) {
  octets.resize(octets.size() - 4);
  OctetWriter writer;
  writer.Raw(octets);
  return writer.TakeChecked();
}

TEST(MessageRecord, ComesBackAsItWas) {
  MessageRecord record = FullRecord();
  auto decoded = DecodeMessageRecord(Encode(record));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ExpectEqual(*decoded, record);
}

TEST(MessageRecord, ComesBackWithTheNullReversePathAndATimeBeforeTheEpoch) {
  MessageRecord record;
  record.envelope.forward_paths = {"postmaster"};
  record.received_at = WallTime(std::chrono::milliseconds(-5));
  auto decoded = DecodeMessageRecord(Encode(record));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ExpectEqual(*decoded, record);
}

TEST(MessageRecord, AtItsLimitsIsAcceptedAndComesBack) {
  MessageRecord record = FullRecord();
  record.envelope.reverse_path.assign(kMaxPathOctets, 'r');
  record.envelope.forward_paths.assign(kMaxForwardPaths, std::string(kMaxPathOctets, 'f'));
  record.envelope.helo.assign(kMaxHeloOctets, 'h');
  record.envelope.client_address.assign(kMaxClientAddressOctets, '1');
  record.chunks = kMaxChunks;
  EXPECT_TRUE(CheckLimits(record).ok());
  auto decoded = DecodeMessageRecord(Encode(record));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ExpectEqual(*decoded, record);
}

TEST(MessageRecord, BeyondALimitIsRefusedByBothCheckAndDecoder) {
  std::vector<MessageRecord> records(7, FullRecord());
  records[0].envelope.forward_paths.clear();
  records[1].envelope.forward_paths.assign(kMaxForwardPaths + 1, "a@b");
  records[2].envelope.forward_paths.push_back("");
  records[3].envelope.forward_paths.emplace_back(kMaxPathOctets + 1, 'f');
  records[4].envelope.helo.assign(kMaxHeloOctets + 1, 'h');
  records[5].envelope.client_address.assign(kMaxClientAddressOctets + 1, '1');
  records[6].chunks = kMaxChunks + 1;
  for (size_t i = 0; i < records.size(); ++i) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckLimits(records[i]))) << i;
    EXPECT_TRUE(absl::IsDataLoss(DecodeMessageRecord(Encode(records[i])).status())) << i;
  }
}

TEST(MessageRecord, OfAnUnknownVersionIsRefusedByName) {
  std::string octets = Encode(FullRecord());
  octets[0] = 9;
  auto status = DecodeMessageRecord(Resealed(octets)).status();
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("version 9"));
}

TEST(MessageRecord, CutAnywhereIsRefused) {
  std::string octets = Encode(FullRecord());
  for (size_t length = 0; length < octets.size(); ++length) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeMessageRecord(octets.substr(0, length)).status()));
  }
}

TEST(MessageRecord, CutBeforeAValidChecksumIsRefused) {
  std::string octets = Encode(FullRecord());
  for (size_t length = 4; length < octets.size(); ++length) {
    std::string cut = Resealed(octets.substr(0, length));
    EXPECT_TRUE(absl::IsDataLoss(DecodeMessageRecord(cut).status())) << length;
  }
}

TEST(MessageRecord, WithTrailingOctetsIsRefused) {
  std::string octets = Encode(FullRecord());
  octets.insert(octets.size() - 4, "x");
  EXPECT_TRUE(absl::IsDataLoss(DecodeMessageRecord(Resealed(octets)).status()));
}

TEST(MessageRecord, WithAnyBitFlippedIsRefused) {
  std::string octets = Encode(FullRecord());
  for (size_t bit = 0; bit < octets.size() * 8; ++bit) {
    std::string damaged = octets;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_TRUE(absl::IsDataLoss(DecodeMessageRecord(damaged).status())) << bit;
  }
}

LegOutcome Delivered() {
  LegOutcome outcome;
  outcome.seq = Seq(42);
  outcome.leg = 3;
  outcome.outcome = Outcome::kDelivered;
  outcome.epoch = Epoch(300);
  outcome.node = NodeId(0x5f3a9c0e12b47d68);
  outcome.reply = "250 2.0.0 Ok: queued as 4XyZ";
  outcome.at = WallTime(std::chrono::milliseconds(1767225600123));
  return outcome;
}

TEST(LegOutcome, ComesBackAsItWas) {
  LegOutcome outcome = Delivered();
  auto decoded = DecodeLegOutcome(outcome.seq, outcome.leg, Encode(outcome));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->seq, outcome.seq);
  EXPECT_EQ(decoded->leg, outcome.leg);
  EXPECT_EQ(decoded->outcome, outcome.outcome);
  EXPECT_EQ(decoded->epoch, outcome.epoch);
  EXPECT_EQ(decoded->node, outcome.node);
  EXPECT_EQ(decoded->reply, outcome.reply);
  EXPECT_EQ(decoded->at, outcome.at);
}

TEST(LegOutcome, KeepsTheFirst512OctetsOfALongReply) {
  LegOutcome outcome = Delivered();
  outcome.reply = std::string(kMaxReplyOctets, 'a') + "b";
  auto decoded = DecodeLegOutcome(outcome.seq, outcome.leg, Encode(outcome));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->reply, std::string(kMaxReplyOctets, 'a'));
}

TEST(LegOutcome, ThatIsNoneOrUnknownIsRefused) {
  for (uint8_t value : {0, 5, 255}) {
    LegOutcome outcome = Delivered();
    outcome.outcome = static_cast<Outcome>(value);
    EXPECT_TRUE(absl::IsDataLoss(DecodeLegOutcome(Seq(1), 0, Encode(outcome)).status()));
  }
}

TEST(LegOutcome, DamagedOrCutIsRefused) {
  std::string octets = Encode(Delivered());
  for (size_t i = 0; i < octets.size(); ++i) {
    std::string damaged = octets;
    damaged[i] = static_cast<char>(damaged[i] + 1);
    EXPECT_TRUE(absl::IsDataLoss(DecodeLegOutcome(Seq(1), 0, damaged).status()));
    EXPECT_TRUE(absl::IsDataLoss(DecodeLegOutcome(Seq(1), 0, octets.substr(0, i)).status()));
  }
}

TEST(Outcome, IsOrderedSoThatTheGreaterWins) {
  EXPECT_GT(Outcome::kDelivered, Outcome::kBounced);
  EXPECT_GT(Outcome::kBounced, Outcome::kExpired);
  EXPECT_GT(Outcome::kExpired, Outcome::kCancelled);
  EXPECT_GT(Outcome::kCancelled, Outcome::kNone);
}

TEST(Outcome, HasAWordForEachState) {
  EXPECT_EQ(ToString(Outcome::kNone), "waiting");
  EXPECT_EQ(ToString(Outcome::kCancelled), "cancelled");
  EXPECT_EQ(ToString(Outcome::kExpired), "expired");
  EXPECT_EQ(ToString(Outcome::kBounced), "bounced");
  EXPECT_EQ(ToString(Outcome::kDelivered), "delivered");
}

TEST(DomainOf, IsWhatFollowsTheLastAt) {
  EXPECT_EQ(DomainOf("bruno@example.test"), "example.test");
  EXPECT_EQ(DomainOf("\"a@b\"@example.test"), "example.test");
  EXPECT_EQ(DomainOf("anna@[192.0.2.1]"), "[192.0.2.1]");
  EXPECT_EQ(DomainOf("postmaster"), "");
  EXPECT_EQ(DomainOf(""), "");
}

}  // namespace
}  // namespace fermo::spool
