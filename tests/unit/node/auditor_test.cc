// The books of a node, over a real store.
#include "node/operations/auditor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmt/format.h"
#include "node/operations/audit_service.h"
#include "tests/unit/net/loop.h"
#include "tests/unit/store/store_fixture.h"

namespace fermo::node {
namespace {

namespace v1 = ::fermoposta::v1;
using spool::Outcome;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AuditorTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    auditor_ = std::make_unique<Auditor>(*store_, [this](const SegmentId& id) { return Plan(id); });
  }
  void TearDown() override { auditor_.reset(); }

  std::optional<AuditPlan> Plan(const SegmentId& id) {
    ++asked_;
    auto plan = plans_.find(id);
    if (plan == plans_.end()) return std::nullopt;
    return plan->second;
  }
  // A segment that this node owns, with seqs below `end`.
  void Own(const SegmentId& id, uint32_t end) {
    ASSERT_TRUE(Write({spool::PutSegment{id, "state"}}).ok());
    plans_[id].end = end;
  }
  Auditor::Result Page(Auditor::Position from = {}, std::string domain = "",
                       Auditor::Limits limits = {}) {
    auto page = loop_.Run(auditor_->Page(from, std::move(domain), limits));
    EXPECT_TRUE(page.ok()) << page.status();
    return *std::move(page);
  }
  static std::string Row(const DomainBooks& books) {
    return fmt::format("{} = {} + {} + {} + {} + {}", books.accepted, books.delivered,
                       books.bounced, books.expired, books.cancelled, books.waiting);
  }
  static std::vector<std::string> Rows(const SegmentBooks& books) {
    std::vector<std::string> rows;
    for (const auto& [domain, row] : books.domains()) rows.push_back(domain + ": " + Row(row));
    return rows;
  }
  static std::vector<std::string> Gaps(const SegmentBooks& books) {
    std::vector<std::string> gaps;
    for (const AuditGap& gap : books.gaps()) {
      const char* kinds[] = {"missing", "damaged", "no outcome"};
      gaps.push_back(
          fmt::format("{} [{}, {})", kinds[static_cast<int>(gap.kind)], gap.begin, gap.end));
    }
    return gaps;
  }

  net::test::Loop loop_;
  std::map<SegmentId, AuditPlan> plans_;
  int asked_ = 0;
  std::unique_ptr<Auditor> auditor_;
};

TEST_F(AuditorTest, BooksAddUpByDomainWhateverBecameOfALeg) {
  Own(kSegment, 6);
  ASSERT_TRUE(
      Write({Mail(kSegment, 0, {"a@one.test"}), Mail(kSegment, 1, {"a@one.test", "b@two.test"}),
             Mail(kSegment, 2, {"c@one.test", "d@two.test"}),
             OutcomeOf(kSegment, 2, 0, Outcome::kDelivered), Mail(kSegment, 4, {"e@two.test"}),
             OutcomeOf(kSegment, 4, 0, Outcome::kExpired), Mail(kSegment, 5, {"f@two.test"}),
             OutcomeOf(kSegment, 5, 0, Outcome::kCancelled),
             spool::PutAbort{{kSegment, Seq(3)}, 0, 0}})
          .ok());
  ASSERT_TRUE(Write({spool::PutFinished{{kSegment, Seq(0)}, 0, 1, {Outcome::kDelivered}},
                     spool::PutFinished{
                         {kSegment, Seq(1)}, 1, 1, {Outcome::kDelivered, Outcome::kBounced}}})
                  .ok());
  const Auditor::Result page = Page();
  ASSERT_EQ(page.parts.size(), 1u);
  EXPECT_FALSE(page.next);
  EXPECT_TRUE(page.parts[0].complete);
  EXPECT_TRUE(page.parts[0].status.ok());
  const SegmentBooks& books = page.parts[0].books;
  EXPECT_THAT(Rows(books),
              ElementsAre("one.test: 3 = 3 + 0 + 0 + 0 + 0", "two.test: 4 = 0 + 1 + 1 + 1 + 1"));
  EXPECT_THAT(books.gaps(), IsEmpty());
  EXPECT_EQ(books.in_flight(), 0u);
}

TEST_F(AuditorTest, HolesDamageAndLostOutcomesAreTheDifferenceAndNamed) {
  Own(kSegment, 9);
  plans_[kSegment].in_flight.add(8);
  ASSERT_TRUE(
      Write({Mail(kSegment, 0, {"a@one.test"}), Mail(kSegment, 3, {"b@one.test"}),
             Message(kSegment, 4, "damaged"), Mail(kSegment, 5, {"c@one.test", "d@one.test"}),
             Mail(kSegment, 8, {"not yet accepted@one.test"}),
             Mail(kSegment, 9, {"given later@one.test"})})
          .ok());
  ASSERT_TRUE(Write({spool::PutFinished{{kSegment, Seq(5)}, 5, 1, {Outcome::kDelivered}}}).ok());
  const Auditor::Result page = Page();
  ASSERT_EQ(page.parts.size(), 1u);
  const SegmentBooks& books = page.parts[0].books;
  // Two seqs before 3 and two after 5 are missing; 4 is damaged.
  EXPECT_THAT(Rows(books),
              ElementsAre(": 5 = 0 + 0 + 0 + 0 + 0", "one.test: 4 = 1 + 0 + 0 + 0 + 2"));
  EXPECT_THAT(Gaps(books), ElementsAre("missing [1, 3)", "damaged [4, 5)", "no outcome [5, 6)",
                                       "missing [6, 8)"));
  EXPECT_EQ(books.in_flight(), 1u);
}

TEST_F(AuditorTest, SeqsInFlightAreNoHoles) {
  Own(kSegment, 7);
  for (const uint32_t seq : {1u, 2u, 5u, 6u}) plans_[kSegment].in_flight.add(seq);
  ASSERT_TRUE(Write({Mail(kSegment, 0, {"a@one.test"}), Mail(kSegment, 3, {"a@one.test"})}).ok());
  const Auditor::Result page = Page();
  const SegmentBooks& books = page.parts.at(0).books;
  EXPECT_THAT(Gaps(books), ElementsAre("missing [4, 5)"));
  EXPECT_EQ(books.in_flight(), 4u);
}

TEST_F(AuditorTest, WhatIsQueuedForTheDiskIsThere) {
  Own(kSegment, 100);
  for (uint32_t seq = 0; seq < 100; ++seq) {
    store_->Write({Mail(kSegment, seq, {"a@one.test"})}, spool::Durability::kUnsynced, nullptr);
  }
  EXPECT_THAT(Gaps(Page().parts.at(0).books), IsEmpty());
}

TEST_F(AuditorTest, OneDomainCanBeAskedForAndUnknownOnesStay) {
  Own(kSegment, 3);
  ASSERT_TRUE(Write({Mail(kSegment, 0, {"a@one.test", "b@two.test"}),
                     spool::PutFinished{{kSegment, Seq(1)}, 1, 1, {Outcome::kDelivered}},
                     Mail(kSegment, 2, {"c@two.test"})})
                  .ok());
  EXPECT_THAT(Rows(Page({}, "two.test").parts.at(0).books),
              ElementsAre(": 1 = 1 + 0 + 0 + 0 + 0", "two.test: 2 = 0 + 0 + 0 + 0 + 2"));
}

TEST_F(AuditorTest, AnotherDomainsGapsAreNotListed) {
  Own(kSegment, 1);
  ASSERT_TRUE(Write({Mail(kSegment, 0, {"a@one.test"})}).ok());
  ASSERT_TRUE(Write({spool::PutFinished{{kSegment, Seq(0)}, 0, 1, {Outcome::kNone}}}).ok());
  EXPECT_THAT(Gaps(Page({}, "one.test").parts.at(0).books), ElementsAre("no outcome [0, 1)"));
  EXPECT_THAT(Gaps(Page({}, "two.test").parts.at(0).books), IsEmpty());
}

TEST_F(AuditorTest, PagesGoOnWhereTheyEndedAlsoWithinASegment) {
  SegmentId second = kSegment;
  second.number += 1;
  Own(kSegment, 10);
  Own(second, 3);
  for (uint32_t seq = 0; seq < 10; ++seq) {
    std::vector<spool::WriteOp> ops;
    if (seq != 4) ops.push_back(Mail(kSegment, seq, {"a@one.test"}));
    if (seq < 3) ops.push_back(Mail(second, seq, {"b@two.test"}));
    ASSERT_TRUE(Write(std::move(ops)).ok());
  }
  Auditor::Limits limits;
  limits.time = Duration::zero();  // one slice a page
  limits.slots = 4;
  std::vector<std::string> seen;
  Auditor::Position from;
  for (int pages = 0; pages < 10; ++pages) {
    const Auditor::Result page = Page(from, "", limits);
    ASSERT_EQ(page.parts.size(), 1u);
    const Auditor::Part& part = page.parts[0];
    seen.push_back(fmt::format("{} {} {}", part.segment.number, part.books.next(), part.complete));
    if (!page.next) break;
    from = *page.next;
  }
  // Slices of four slots: seqs 0 to 3, 5 to 8, 9; then the other segment.
  EXPECT_THAT(seen, ElementsAre("1 4 false", "1 9 false", "1 10 true", "2 3 true"));
}

TEST_F(AuditorTest, ForeignSegmentsAreLeftOutAndLostOnesToo) {
  SegmentId foreign = kSegment;
  foreign.number += 1;
  ASSERT_TRUE(Write({spool::PutSegment{foreign, "state"}, Mail(foreign, 0, {"a@one.test"})}).ok());
  EXPECT_THAT(Page().parts, IsEmpty());
  Own(kSegment, 1);
  Auditor losing(*store_, [this](const SegmentId& id) {
    auto plan = Plan(id);
    plans_.clear();  // gone when asked again
    return plan;
  });
  auto page = loop_.Run(losing.Page({}, "", {}));
  ASSERT_TRUE(page.ok());
  EXPECT_THAT(page->parts, IsEmpty());
  EXPECT_FALSE(page->next);
}

TEST_F(AuditorTest, GapsAreListedUpToALimitAndCountedBeyond) {
  Own(kSegment, 301);
  std::vector<spool::WriteOp> ops;
  for (uint32_t seq = 0; seq <= 300; seq += 2) ops.push_back(Mail(kSegment, seq, {"a@one.test"}));
  ASSERT_TRUE(Write(std::move(ops)).ok());
  const Auditor::Result page = Page();
  const SegmentBooks& books = page.parts.at(0).books;
  EXPECT_EQ(books.gaps().size(), SegmentBooks::kMaxGaps);
  EXPECT_EQ(books.gaps_left_off(), 150 - SegmentBooks::kMaxGaps);
  EXPECT_EQ(books.domains().at("").accepted, 150u);
}

TEST_F(AuditorTest, TheWireCarriesTheBooksAndTheDifference) {
  Own(kSegment, 4);
  plans_[kSegment].compared = false;
  ASSERT_TRUE(Write({Mail(kSegment, 0, {"a@one.test"}), Mail(kSegment, 3, {"a@one.test"})}).ok());
  v1::AuditOwnedSegmentsRequest request;
  v1::AuditOwnedSegmentsResponse response;
  ASSERT_TRUE(loop_.Run(AuditOwned(auditor_.get(), &request, &response)).ok());
  EXPECT_FALSE(response.has_next());
  ASSERT_EQ(response.segments_size(), 1);
  const v1::SegmentAudit& segment = response.segments(0);
  EXPECT_EQ(segment.id().number(), kSegment.number);
  EXPECT_TRUE(segment.complete());
  EXPECT_EQ(segment.error(), "");
  ASSERT_EQ(segment.domains_size(), 2);
  EXPECT_EQ(segment.domains(0).counts().difference(), 2u);
  EXPECT_EQ(segment.domains(1).domain(), "one.test");
  EXPECT_EQ(segment.domains(1).counts().waiting(), 2u);
  EXPECT_EQ(segment.domains(1).counts().difference(), 0u);
  ASSERT_EQ(segment.gaps_size(), 1);
  EXPECT_EQ(segment.gaps(0).kind(), v1::AUDIT_GAP_KIND_MISSING);
  EXPECT_EQ(segment.gaps(0).first_seq(), 1u);
  EXPECT_EQ(segment.gaps(0).last_seq(), 2u);
  EXPECT_TRUE(segment.gaps(0).may_be_elsewhere());
}

// --- What the machine says of a segment.

TEST(AuditPlanTest, OnlyOwnedSegmentsThatAreNotClosedHaveOne) {
  cluster::Segment segment;
  EXPECT_FALSE(PlanAudit(nullptr, true));
  EXPECT_FALSE(PlanAudit(&segment, true));
  segment.owner = std::make_unique<cluster::OwnerState>();
  ASSERT_TRUE(PlanAudit(&segment, true));
  EXPECT_EQ(PlanAudit(&segment, true)->end, 0u);
  segment.closed = true;
  EXPECT_FALSE(PlanAudit(&segment, true));
}

TEST(AuditPlanTest, TheWriterKnowsWhatWasGivenAndWhatIsPending) {
  cluster::Segment segment;
  segment.owner = std::make_unique<cluster::OwnerState>();
  segment.writer = std::make_unique<cluster::WriterState>();
  segment.held.add(0);
  segment.held.add(2);
  segment.writer->next_seq = 5;
  segment.writer->pending[Seq(2)];
  segment.writer->pending[Seq(4)];
  const auto plan = PlanAudit(&segment, true);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->end, 5u);
  EXPECT_EQ(cluster::ToRanges(plan->in_flight), (std::vector<uint32_t>{2, 3, 4, 5}));
  EXPECT_TRUE(plan->compared);
  EXPECT_EQ(plan->doubt, "");
}

TEST(AuditPlanTest, ALaterOwnerKnowsWhatItHasAndWhatIsOnItsWay) {
  cluster::Segment segment;
  segment.owner = std::make_unique<cluster::OwnerState>();
  segment.finished.add(1);
  segment.aborted.add(3);
  segment.owner->wanted.add(1);  // came meanwhile
  segment.owner->wanted.add(6);
  cluster::HolderView& joins = segment.owner->holders.emplace_back();
  joins.role = cluster::HolderView::Role::kJoining;
  auto plan = PlanAudit(&segment, true);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->end, 7u);
  EXPECT_EQ(cluster::ToRanges(plan->in_flight), (std::vector<uint32_t>{6, 7}));
  EXPECT_TRUE(plan->compared);
  EXPECT_EQ(plan->doubt, "1 message that another holder has is not here yet");
  segment.owner->holders.emplace_back().role = cluster::HolderView::Role::kFormer;
  EXPECT_FALSE(PlanAudit(&segment, true)->compared);
}

TEST(AuditPlanTest, BooksThatMayBeAnothersOrLackSomethingSaySo) {
  cluster::Segment segment;
  segment.owner = std::make_unique<cluster::OwnerState>();
  EXPECT_EQ(PlanAudit(&segment, true)->doubt, "");
  EXPECT_THAT(PlanAudit(&segment, false)->doubt, HasSubstr("holds no leases"));
  segment.owner->holders.emplace_back().suspect = true;
  EXPECT_THAT(PlanAudit(&segment, true)->doubt, HasSubstr("stopped uncleanly"));
}

}  // namespace
}  // namespace fermo::node
