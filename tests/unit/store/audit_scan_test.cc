// What an audit finds in the store, and the domains that marks keep.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/store/store_fixture.h"

namespace fermo::node {
namespace {

using spool::Outcome;
using State = AuditedSlot::State;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> DomainsOf(const AuditedSlot& slot) {
  std::vector<std::string> domains;
  for (const AuditedSlot::Leg& leg : slot.legs) domains.push_back(leg.domain);
  return domains;
}

std::vector<Outcome> OutcomesOf(const AuditedSlot& slot) {
  std::vector<Outcome> outcomes;
  for (const AuditedSlot::Leg& leg : slot.legs) outcomes.push_back(leg.outcome);
  return outcomes;
}

spool::PutFinished Finished(uint32_t seq, std::vector<Outcome> outcomes) {
  return {{kSegment, Seq(seq)}, seq, 1, std::move(outcomes)};
}

using AuditScanTest = StoreTest;

TEST_F(AuditScanTest, AMarkKeepsTheDomainsOfTheRecordThatItReplaces) {
  ASSERT_TRUE(Write({Mail(kSegment, 0, {"a@one.test", "b@one.test", "c@two.test"}),
                     Mail(kSegment, 1, {"d@one.test"})})
                  .ok());
  ASSERT_TRUE(Write({Finished(0, {Outcome::kDelivered, Outcome::kBounced, Outcome::kDelivered}),
                     Finished(1, {Outcome::kDelivered})})
                  .ok());
  Open();
  const auto slots = Audited(kSegment, 0, 10);
  ASSERT_EQ(slots.size(), 2u);
  EXPECT_EQ(slots[0].state, State::kFinished);
  EXPECT_THAT(DomainsOf(slots[0]), ElementsAre("one.test", "one.test", "two.test"));
  EXPECT_THAT(OutcomesOf(slots[0]),
              ElementsAre(Outcome::kDelivered, Outcome::kBounced, Outcome::kDelivered));
  EXPECT_THAT(DomainsOf(slots[1]), ElementsAre("one.test"));
}

TEST_F(AuditScanTest, AMarkInOneWriteWithItsRecordKeepsTheDomainsToo) {
  ASSERT_TRUE(Write({Mail(kSegment, 0, {"a@one.test"}), Finished(0, {Outcome::kDelivered})}).ok());
  const auto slots = Audited(kSegment, 0, 10);
  ASSERT_EQ(slots.size(), 1u);
  EXPECT_EQ(slots[0].state, State::kFinished);
  EXPECT_THAT(DomainsOf(slots[0]), ElementsAre("one.test"));
}

TEST_F(AuditScanTest, ASecondMarkKeepsWhatTheFirstKnew) {
  ASSERT_TRUE(Write({Mail(kSegment, 0, {"a@one.test"})}).ok());
  ASSERT_TRUE(Write({Finished(0, {Outcome::kBounced})}).ok());
  ASSERT_TRUE(Write({Finished(0, {Outcome::kDelivered})}).ok());
  EXPECT_THAT(DomainsOf(Audited(kSegment, 0, 10).at(0)), ElementsAre("one.test"));
}

TEST_F(AuditScanTest, AMarkWithoutARecordKnowsTheOutcomesOnly) {
  ASSERT_TRUE(Write({Finished(0, {Outcome::kDelivered}), Message(kSegment, 1, "no record")}).ok());
  ASSERT_TRUE(Write({Finished(1, {Outcome::kDelivered})}).ok());
  const auto slots = Audited(kSegment, 0, 10);
  ASSERT_EQ(slots.size(), 2u);
  for (const AuditedSlot& slot : slots) {
    EXPECT_EQ(slot.state, State::kFinished);
    EXPECT_THAT(DomainsOf(slot), ElementsAre(""));
    EXPECT_THAT(OutcomesOf(slot), ElementsAre(Outcome::kDelivered));
  }
}

TEST_F(AuditScanTest, AMarkWithFewerOutcomesThanLegsShowsTheOthersWithoutOne) {
  ASSERT_TRUE(Write({Mail(kSegment, 0, {"a@one.test", "b@one.test"})}).ok());
  ASSERT_TRUE(Write({Finished(0, {Outcome::kDelivered})}).ok());
  EXPECT_THAT(OutcomesOf(Audited(kSegment, 0, 10).at(0)),
              ElementsAre(Outcome::kDelivered, Outcome::kNone));
}

TEST_F(AuditScanTest, LiveMailComesWithItsOutcomesAndOthersDoNotStray) {
  SegmentId next = kSegment;
  next.number += 1;
  ASSERT_TRUE(Write({OutcomeOf(kSegment, 1, 0, Outcome::kExpired),  // its message never came
                     Mail(kSegment, 2, {"a@one.test", "b@two.test"}),
                     OutcomeOf(kSegment, 2, 1, Outcome::kBounced),
                     OutcomeOf(kSegment, 2, 5, Outcome::kDelivered),
                     spool::PutAbort{{kSegment, Seq(3)}, 0, 0}, Mail(kSegment, 4, {"c@two.test"}),
                     Mail(kSegment, 9, {"d@one.test"}), Mail(next, 0, {"e@one.test"}),
                     OutcomeOf(next, 0, 0, Outcome::kDelivered)})
                  .ok());
  const auto slots = Audited(kSegment, 0, 9);
  ASSERT_EQ(slots.size(), 3u);
  EXPECT_EQ(slots[0].seq, Seq(2));
  EXPECT_EQ(slots[0].state, State::kLive);
  EXPECT_THAT(DomainsOf(slots[0]), ElementsAre("one.test", "two.test", ""));
  EXPECT_THAT(OutcomesOf(slots[0]),
              ElementsAre(Outcome::kNone, Outcome::kBounced, Outcome::kDelivered));
  EXPECT_EQ(slots[1].state, State::kAborted);
  EXPECT_THAT(slots[1].legs, IsEmpty());
  EXPECT_THAT(OutcomesOf(slots[2]), ElementsAre(Outcome::kNone));
  EXPECT_EQ(Audited(kSegment, 4, 5).size(), 1u);
  EXPECT_EQ(Audited(kSegment, 5, 5).size(), 0u);
}

TEST_F(AuditScanTest, WhatIsDamagedDoesNotEndTheScan) {
  ASSERT_TRUE(Write({Message(kSegment, 0, "no record"), Mail(kSegment, 1, {"a@one.test"})}).ok());
  const auto slots = Audited(kSegment, 0, 10);
  ASSERT_EQ(slots.size(), 2u);
  EXPECT_EQ(slots[0].state, State::kDamaged);
  EXPECT_THAT(slots[0].legs, IsEmpty());
  EXPECT_EQ(slots[1].state, State::kLive);
}

TEST_F(AuditScanTest, EndsWhenTheVisitorHasEnough) {
  ASSERT_TRUE(Write({Mail(kSegment, 0, {"a@one.test"}), Mail(kSegment, 1, {"a@one.test"})}).ok());
  int visits = 0;
  const auto once = [&visits](const AuditedSlot&) {
    ++visits;
    return false;
  };
  EXPECT_TRUE(store_->ScanForAudit(kSegment, Seq(0), Seq(10), once).ok());
  EXPECT_EQ(visits, 1);
}

}  // namespace
}  // namespace fermo::node
