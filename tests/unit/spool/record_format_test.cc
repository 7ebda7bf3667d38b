// Holds docs/record-format.md to the code: the worked examples in it are read
// from the page and compared with what is encoded and decoded.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "lib/cluster/segment_codec.h"
#include "lib/spool/keys.h"
#include "lib/spool/record.h"
#include "lib/spool/slot.h"

namespace fermo::spool {
namespace {

const SegmentId kSegment{NodeId(0x5f3a9c0e12b47d68), 3, 1};
const WallTime kTime{std::chrono::milliseconds(1767225600123)};

// The octets of a line: pairs of hex digits up to a semicolon.
std::string ParseHexLine(const std::string& line) {
  std::string octets;
  std::istringstream words(line.substr(0, line.find(';')));
  for (std::string word; words >> word;) {
    EXPECT_EQ(word.size(), 2u) << line;
    octets.push_back(static_cast<char>(std::stoi(word, nullptr, 16)));
  }
  return octets;
}

// The example is the first block of code behind the line "Example: NAME".
std::string ReadExample(const std::string& name) {
  std::ifstream page(std::string(FERMO_SOURCE_DIR) + "/docs/record-format.md");
  std::string line;
  while (std::getline(page, line) && line != "Example: " + name) {
  }
  while (std::getline(page, line) && line != "```") {
  }
  std::string octets;
  while (std::getline(page, line) && line != "```") octets += ParseHexLine(line);
  EXPECT_FALSE(octets.empty()) << "no example of " << name << " in docs/record-format.md";
  return octets;
}

std::string Hex(std::string_view octets) {
  std::string hex;
  for (char octet : octets) {
    constexpr char kDigits[] = "0123456789abcdef";
    if (!hex.empty()) hex += ' ';
    hex += kDigits[static_cast<uint8_t>(octet) >> 4];
    hex += kDigits[static_cast<uint8_t>(octet) & 15];
  }
  return hex;
}

MessageRecord ExampleRecord() {
  MessageRecord record;
  record.envelope.reverse_path = "anna@sender.test";
  record.envelope.forward_paths = {"bruno@example.test", "carla@example.test"};
  record.envelope.body = BodyType::k8BitMime;
  record.envelope.helo = "mail.sender.test";
  record.envelope.client_address = "192.0.2.1";
  record.received_at = kTime;
  record.token = 0x0123456789abcdef;
  record.body = 42;
  record.chunks = 1;
  record.size = 4096;
  for (size_t i = 0; i < kDigestSize; ++i) record.digest[i] = static_cast<uint8_t>(i);
  return record;
}

LegOutcome ExampleOutcome() {
  LegOutcome outcome;
  outcome.seq = Seq(42);
  outcome.leg = 1;
  outcome.outcome = Outcome::kDelivered;
  outcome.epoch = Epoch(2);
  outcome.node = NodeId(0x8c41d07be29f5a36);
  outcome.at = kTime;
  outcome.reply = "250 2.0.0 Ok";
  return outcome;
}

cluster::StoredSegment ExampleSegment() {
  cluster::StoredSegment segment;
  segment.record.id = kSegment;
  segment.record.holders = {kSegment.writer, NodeId(0x8c41d07be29f5a36)};
  segment.record.epoch = Epoch(2);
  segment.record.owner = NodeId(0x8c41d07be29f5a36);
  segment.record.sealed = true;
  segment.promised = Epoch(2);
  segment.promised_to = NodeId(0x8c41d07be29f5a36);
  segment.closed = true;
  segment.finished_ranges = {0, 42, 43, 300};
  segment.aborted_ranges = {42, 43};
  return segment;
}

TEST(RecordFormatPage, ShowsTheMessageRecordAsItIsEncoded) {
  std::string example = ReadExample("message record");
  EXPECT_EQ(Hex(example), Hex(Encode(ExampleRecord())));
  EXPECT_TRUE(DecodeMessageRecord(example).ok());
}

TEST(RecordFormatPage, ShowsTheOutcomeAsItIsEncoded) {
  std::string example = ReadExample("outcome of a leg");
  EXPECT_EQ(Hex(example), Hex(Encode(ExampleOutcome())));
  EXPECT_TRUE(DecodeLegOutcome(Seq(42), 1, example).ok());
}

TEST(RecordFormatPage, ShowsTheMarksAsTheyAreEncoded) {
  EXPECT_EQ(Hex(ReadExample("mark of an aborted seq")), Hex(EncodeAbortedSlot()));
  EXPECT_EQ(Hex(ReadExample("mark of a finished message")),
            Hex(EncodeFinishedSlot({Outcome::kDelivered, Outcome::kBounced},
                                   {"example.test", "example.test"})));
}

TEST(RecordFormatPage, ShowsTheSegmentAsItIsEncoded) {
  std::string example = ReadExample("segment");
  EXPECT_EQ(Hex(example), Hex(cluster::Encode(ExampleSegment())));
  EXPECT_TRUE(cluster::DecodeStoredSegment(example).ok());
}

TEST(RecordFormatPage, ShowsTheKeysAsTheyAreEncoded) {
  EXPECT_EQ(Hex(ReadExample("segment key")), Hex(SegmentKey(kSegment).view()));
  EXPECT_EQ(Hex(ReadExample("message key")), Hex(MessageKey(kSegment, Seq(42)).view()));
  EXPECT_EQ(Hex(ReadExample("body key")), Hex(BodyKey(kSegment, 42, 0).view()));
  EXPECT_EQ(Hex(ReadExample("recipient key")), Hex(RecipientKey(kSegment, Seq(42), 1).view()));
}

}  // namespace
}  // namespace fermo::spool
