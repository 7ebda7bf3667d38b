// What is written to a spool and what is found in it.
#include "node/store/spool_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/store/store_fixture.h"

namespace fermo::node {
namespace {

using spool::Outcome;
using ::testing::ElementsAre;

using SpoolStoreTest = StoreTest;

TEST_F(SpoolStoreTest, GivesBackMessagesAndChunksAlsoAfterReopening) {
  ASSERT_TRUE(Write({Chunk(kSegment, 9, 0, "first"), Chunk(kSegment, 9, 1, "second"),
                     Message(kSegment, 0, "record")})
                  .ok());
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(store_->ReadMessage({kSegment, Seq(0)}).value(), "record");
    EXPECT_EQ(store_->ReadChunk(kSegment, 9, 0).value(), "first");
    EXPECT_EQ(store_->ReadChunk(kSegment, 9, 1).value(), "second");
    Open();
  }
}

TEST_F(SpoolStoreTest, SaysNotFoundForWhatIsAbsent) {
  ASSERT_TRUE(Write({Message(kSegment, 5, "record"), Chunk(kSegment, 1, 0, "x")}).ok());
  EXPECT_TRUE(absl::IsNotFound(store_->ReadMessage({kSegment, Seq(4)}).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->ReadChunk(kSegment, 1, 1).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->ReadChunk(kSegment, 2, 0).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->ReadMeta("nothing").status()));
}

TEST_F(SpoolStoreTest, KeepsEmptyRecordsChunksAndValues) {
  ASSERT_TRUE(
      Write({Message(kSegment, 0, ""), Chunk(kSegment, 0, 0, ""), spool::PutMeta{"empty", ""}})
          .ok());
  EXPECT_EQ(store_->ReadMessage({kSegment, Seq(0)}).value(), "");
  EXPECT_EQ(store_->ReadChunk(kSegment, 0, 0).value(), "");
  EXPECT_EQ(store_->ReadMeta("empty").value(), "");
}

TEST_F(SpoolStoreTest, KeepsLargeContentOctetForOctet) {
  std::vector<spool::WriteOp> ops;
  std::vector<std::string> chunks;
  for (uint32_t i = 0; i < 100; ++i) {
    std::string octets(256 * 1024, '\0');
    for (size_t j = 0; j < octets.size(); ++j) octets[j] = static_cast<char>(i + j * 31);
    chunks.push_back(octets);
    store_->Write({Chunk(kSegment, 3, i, std::move(octets))}, spool::Durability::kUnsynced,
                  nullptr);
  }
  ASSERT_TRUE(Write({Message(kSegment, 0, "large")}).ok());
  Open();
  for (uint32_t i = 0; i < 100; ++i) {
    ASSERT_EQ(store_->ReadChunk(kSegment, 3, i).value(), chunks[i]) << i;
  }
}

TEST_F(SpoolStoreTest, ScansOneSegmentInOrderOfSeqFromWhereItIsAsked) {
  SegmentId before = kSegment;
  SegmentId after = kSegment;
  before.number -= 1;
  after.number += 1;
  std::vector<spool::WriteOp> ops;
  for (const SegmentId& segment : {before, kSegment, after}) {
    for (uint32_t seq : {300u, 2u, 0u, 255u, 256u}) {
      ops.push_back(Message(segment, seq, std::to_string(seq)));
    }
  }
  ASSERT_TRUE(Write(std::move(ops)).ok());
  std::vector<std::string> records;
  for (const StoredMessage& one : Messages(kSegment, 2)) records.push_back(one.record);
  EXPECT_THAT(records, ElementsAre("2", "255", "256", "300"));
  EXPECT_THAT(Messages(kSegment, 301), ElementsAre());
}

TEST_F(SpoolStoreTest, StopsAScanWhenTheVisitorHasSeenEnough) {
  ASSERT_TRUE(Write({Message(kSegment, 0, "a"), Message(kSegment, 1, "b"),
                     spool::PutSegment{kSegment, "s"}, spool::PutMeta{"m/1", "1"},
                     spool::PutMeta{"m/2", "2"}, OutcomeOf(kSegment, 0, 0, Outcome::kDelivered),
                     OutcomeOf(kSegment, 0, 1, Outcome::kDelivered)})
                  .ok());
  int visits = 0;
  auto once = [&visits](const auto&...) {
    ++visits;
    return false;
  };
  EXPECT_TRUE(store_->ScanMessages(kSegment, Seq(0), once).ok());
  EXPECT_TRUE(store_->ScanSegments(once).ok());
  EXPECT_TRUE(store_->ScanOutcomes(kSegment, once).ok());
  EXPECT_TRUE(store_->ScanMeta("m/", once).ok());
  EXPECT_EQ(visits, 4);
}

TEST_F(SpoolStoreTest, AbortPutsAMarkInPlaceOfTheMessageAndDropsTheBody) {
  ASSERT_TRUE(
      Write({Chunk(kSegment, 1, 0, "x"), Chunk(kSegment, 1, 1, "y"), Chunk(kSegment, 2, 0, "other"),
             Message(kSegment, 0, "record"), Message(kSegment, 1, "other")})
          .ok());
  ASSERT_TRUE(Write({spool::PutAbort{{kSegment, Seq(0)}, 1, 2}}).ok());
  Open();
  EXPECT_TRUE(absl::IsNotFound(store_->ReadMessage({kSegment, Seq(0)}).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->ReadChunk(kSegment, 1, 0).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->ReadChunk(kSegment, 1, 1).status()));
  EXPECT_EQ(store_->ReadChunk(kSegment, 2, 0).value(), "other");
  auto messages = Messages(kSegment);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].kind, StoredMessage::Kind::kAborted);
  EXPECT_EQ(messages[1].kind, StoredMessage::Kind::kLive);
}

TEST_F(SpoolStoreTest, AbortOfASeqThatNeverCameLeavesAMarkToo) {
  ASSERT_TRUE(Write({spool::PutAbort{{kSegment, Seq(8)}, 0, 0}}).ok());
  auto messages = Messages(kSegment);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].seq, Seq(8));
  EXPECT_EQ(messages[0].kind, StoredMessage::Kind::kAborted);
}

TEST_F(SpoolStoreTest, DeleteBodyDropsTheChunksOfOneBodyOnly) {
  ASSERT_TRUE(
      Write({Chunk(kSegment, 1, 0, "x"), Chunk(kSegment, 1, 1, "y"), Chunk(kSegment, 2, 0, "z")})
          .ok());
  ASSERT_TRUE(Write({spool::DeleteBody{kSegment, 1, 2}}).ok());
  EXPECT_TRUE(absl::IsNotFound(store_->ReadChunk(kSegment, 1, 0).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->ReadChunk(kSegment, 1, 1).status()));
  EXPECT_EQ(store_->ReadChunk(kSegment, 2, 0).value(), "z");
}

TEST_F(SpoolStoreTest, KeepsOutcomesByLegWithTheirEvidence) {
  ASSERT_TRUE(Write({Message(kSegment, 4, "m"), OutcomeOf(kSegment, 4, 1, Outcome::kBounced),
                     OutcomeOf(kSegment, 4, 0, Outcome::kDelivered),
                     OutcomeOf(kSegment, 3, 0, Outcome::kExpired)})
                  .ok());
  Open();
  auto outcomes = Outcomes(kSegment);
  ASSERT_EQ(outcomes.size(), 3u);
  EXPECT_EQ(outcomes[0].seq, Seq(3));
  EXPECT_EQ(outcomes[0].outcome, Outcome::kExpired);
  EXPECT_EQ(outcomes[1].leg, 0u);
  EXPECT_EQ(outcomes[1].outcome, Outcome::kDelivered);
  EXPECT_EQ(outcomes[2].leg, 1u);
  EXPECT_EQ(outcomes[2].outcome, Outcome::kBounced);
  EXPECT_EQ(outcomes[2].epoch, Epoch(2));
  EXPECT_EQ(outcomes[2].node, NodeId(7));
  EXPECT_EQ(outcomes[2].reply, "250 2.0.0 Ok");
}

TEST_F(SpoolStoreTest, FinishedKeepsTheOutcomesAndDropsRecordBodyAndRows) {
  ASSERT_TRUE(Write({Chunk(kSegment, 1, 0, "x"), Message(kSegment, 0, "record"),
                     OutcomeOf(kSegment, 0, 0, Outcome::kDelivered),
                     OutcomeOf(kSegment, 0, 1, Outcome::kBounced),
                     OutcomeOf(kSegment, 1, 0, Outcome::kDelivered)})
                  .ok());
  ASSERT_TRUE(Write({spool::PutFinished{
                        {kSegment, Seq(0)}, 1, 1, {Outcome::kDelivered, Outcome::kBounced}}})
                  .ok());
  Open();
  EXPECT_TRUE(absl::IsNotFound(store_->ReadMessage({kSegment, Seq(0)}).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->ReadChunk(kSegment, 1, 0).status()));
  auto messages = Messages(kSegment);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].kind, StoredMessage::Kind::kFinished);
  EXPECT_THAT(messages[0].outcomes, ElementsAre(Outcome::kDelivered, Outcome::kBounced));
  auto outcomes = Outcomes(kSegment);
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].seq, Seq(1));
}

TEST_F(SpoolStoreTest, AppliesTheOperationsOfOneWriteInTheirOrder) {
  ASSERT_TRUE(Write({Message(kSegment, 0, "first"), Message(kSegment, 0, "second"),
                     OutcomeOf(kSegment, 0, 0, Outcome::kExpired),
                     OutcomeOf(kSegment, 0, 0, Outcome::kDelivered), spool::PutMeta{"k", "v"},
                     spool::DeleteMeta{"k"}})
                  .ok());
  EXPECT_EQ(store_->ReadMessage({kSegment, Seq(0)}).value(), "second");
  EXPECT_EQ(Outcomes(kSegment).at(0).outcome, Outcome::kDelivered);
  EXPECT_TRUE(absl::IsNotFound(store_->ReadMeta("k").status()));
}

TEST_F(SpoolStoreTest, DeletesASegmentWholeAndLeavesItsNeighbours) {
  SegmentId before = kSegment;
  SegmentId after = kSegment;
  before.number -= 1;
  after.number += 1;
  for (const SegmentId& segment : {before, kSegment, after}) {
    ASSERT_TRUE(Write({spool::PutSegment{segment, "state"}, Message(segment, 0, "m"),
                       Message(segment, UINT32_MAX, "m"), Chunk(segment, 7, 0, "left behind"),
                       OutcomeOf(segment, UINT32_MAX, 3, Outcome::kDelivered)})
                    .ok());
  }
  ASSERT_TRUE(Write({spool::DeleteSegment{kSegment}}).ok());
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(Messages(kSegment).empty());
    EXPECT_TRUE(Outcomes(kSegment).empty());
    EXPECT_TRUE(absl::IsNotFound(store_->ReadChunk(kSegment, 7, 0).status()));
    std::vector<SegmentId> segments;
    EXPECT_TRUE(store_
                    ->ScanSegments([&](const SegmentId& id, std::string_view octets) {
                      EXPECT_EQ(octets, "state");
                      segments.push_back(id);
                      return true;
                    })
                    .ok());
    EXPECT_THAT(segments, ElementsAre(before, after));
    for (const SegmentId& segment : {before, after}) {
      EXPECT_EQ(Messages(segment).size(), 2u);
      EXPECT_EQ(Outcomes(segment).size(), 1u);
      EXPECT_EQ(store_->ReadChunk(segment, 7, 0).value(), "left behind");
    }
    Open();
  }
}

TEST_F(SpoolStoreTest, TakesASegmentAgainAfterItWasDeleted) {
  ASSERT_TRUE(Write({Message(kSegment, 0, "old"), Message(kSegment, 1, "old")}).ok());
  ASSERT_TRUE(Write({spool::DeleteSegment{kSegment}, Message(kSegment, 0, "new")}).ok());
  Open();
  auto messages = Messages(kSegment);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].record, "new");
}

TEST_F(SpoolStoreTest, StaysRightWhileHundredsOfSegmentsComeAndGo) {
  for (uint32_t number = 1; number <= 300; ++number) {
    SegmentId segment{NodeId(1), 1, number};
    std::vector<spool::WriteOp> ops = {spool::PutSegment{segment, "s"}, Message(segment, 0, "m"),
                                       Chunk(segment, 0, 0, std::string(1000, 'c'))};
    if (number > 10) ops.push_back(spool::DeleteSegment{{NodeId(1), 1, number - 10}});
    ASSERT_TRUE(Write(std::move(ops)).ok());
  }
  uint32_t expected = 291;
  ASSERT_TRUE(store_
                  ->ScanSegments([&](const SegmentId& id, std::string_view) {
                    EXPECT_EQ(id.number, expected++);
                    return true;
                  })
                  .ok());
  EXPECT_EQ(expected, 301u);
  EXPECT_TRUE(Messages({NodeId(1), 1, 290}).empty());
  EXPECT_EQ(Messages({NodeId(1), 1, 291}).size(), 1u);
}

TEST_F(SpoolStoreTest, ScansMetaByPrefix) {
  ASSERT_TRUE(Write({spool::PutMeta{"a", "1"}, spool::PutMeta{"b/x", "2"},
                     spool::PutMeta{"b/y", "3"}, spool::PutMeta{"b\xff", "4"},
                     spool::PutMeta{"c", "5"}, spool::PutMeta{"\xff\xff", "6"}})
                  .ok());
  auto values = [this](std::string_view prefix) {
    std::string all;
    EXPECT_TRUE(store_
                    ->ScanMeta(prefix,
                               [&](std::string_view key, std::string_view value) {
                                 EXPECT_EQ(key.substr(0, prefix.size()), prefix);
                                 all += value;
                                 return true;
                               })
                    .ok());
    return all;
  };
  EXPECT_EQ(values("b/"), "23");
  EXPECT_EQ(values("b"), "234");
  EXPECT_EQ(values(""), "123456");
  EXPECT_EQ(values("\xff"), "6");
  EXPECT_EQ(values("d"), "");
}

}  // namespace
}  // namespace fermo::node
