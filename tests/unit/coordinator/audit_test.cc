// The audit: pages of nodes merged into one set of books, and the operation over
// real gRPC.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "coordinator/operations/audit_merge_service.h"
#include "tests/unit/coordinator/running_coordinator.h"

namespace fermo::coordinator {
namespace {

using ::testing::HasSubstr;

void Row(v1::SegmentAudit* audit, const std::string& domain, uint64_t delivered, uint64_t waiting,
         uint64_t difference = 0) {
  v1::DomainAudit* row = audit->add_domains();
  row->set_domain(domain);
  row->mutable_counts()->set_accepted(delivered + waiting + difference);
  row->mutable_counts()->set_delivered(delivered);
  row->mutable_counts()->set_waiting(waiting);
  row->mutable_counts()->set_difference(difference);
}

v1::AuditOwnedSegmentsResponse PageOf(uint32_t number, bool complete, uint64_t delivered) {
  v1::AuditOwnedSegmentsResponse page;
  v1::SegmentAudit* audit = page.add_segments();
  audit->mutable_id()->set_writer(7);
  audit->mutable_id()->set_boot(1);
  audit->mutable_id()->set_number(number);
  audit->set_complete(complete);
  audit->set_in_flight(1);
  Row(audit, "one.test", delivered, 0);
  return page;
}

v1::NodeStatus Holds(uint32_t number, bool owned, uint64_t messages) {
  v1::NodeStatus status;
  v1::HeldSegment* held = status.add_held_segments();
  held->mutable_id()->set_writer(7);
  held->mutable_id()->set_boot(1);
  held->mutable_id()->set_number(number);
  held->set_owned(owned);
  held->set_messages(messages);
  return status;
}

v1::AuditResponse Filled(const AuditMerge& merge) {
  v1::AuditResponse response;
  merge.Fill(&response);
  return response;
}

TEST(AuditMergeTest, ASegmentInSeveralPagesCountsWhenItIsComplete) {
  AuditMerge merge;
  merge.Take("a", PageOf(1, false, 5));
  EXPECT_EQ(Filled(merge).total().accepted(), 0u);
  merge.Take("b", PageOf(2, true, 100));
  merge.Take("a", PageOf(1, true, 6));
  const v1::AuditResponse response = Filled(merge);
  EXPECT_EQ(response.segments(), 2u);
  EXPECT_EQ(response.total().delivered(), 111u);
  EXPECT_EQ(response.total().accepted(), 111u);
  EXPECT_EQ(response.in_flight(), 3u);
  ASSERT_EQ(response.domains_size(), 1);
  EXPECT_EQ(response.domains(0).counts().delivered(), 111u);
}

TEST(AuditMergeTest, ASegmentThatChangesItsOwnerCountsOnce) {
  AuditMerge merge;
  merge.Take("a", PageOf(1, true, 5));
  merge.Take("b", PageOf(1, true, 6));
  EXPECT_EQ(Filled(merge).total().delivered(), 5u);
  // What a node has begun and lost is no part of its next one.
  merge.Take("a", PageOf(2, false, 1000));
  merge.Take("a", PageOf(3, true, 7));
  EXPECT_EQ(Filled(merge).total().delivered(), 12u);
  EXPECT_EQ(Filled(merge).segments(), 2u);
}

TEST(AuditMergeTest, WhatNobodyAuditedIsNamedIfItWasThereAllTheTime) {
  AuditMerge merge;
  for (const uint32_t number : {1u, 2u, 3u, 4u}) {
    merge.Before("a", Holds(number, false, 9));
    merge.Before("b", Holds(number, number == 2, 9));
  }
  merge.Take("b", PageOf(1, true, 5));  // audited
  merge.After("a", Holds(1, false, 8));
  merge.After("a", Holds(2, false, 8));  // b has not given its books
  merge.After("b", Holds(2, true, 9));
  merge.After("a", Holds(3, false, 8));  // nobody's
  merge.After("b", Holds(5, true, 9));   // opened meanwhile; 4 has closed
  const v1::AuditResponse response = Filled(merge);
  ASSERT_EQ(response.unaudited_segments_size(), 2);
  EXPECT_EQ(response.unaudited_segments(0).segment(), "0000000000000007-1-2");
  EXPECT_THAT(response.unaudited_segments(0).reason(), HasSubstr("its owner, b,"));
  EXPECT_EQ(response.unaudited_segments(0).holders_size(), 2);
  EXPECT_EQ(response.unaudited_segments(0).messages(), 9u);
  EXPECT_EQ(response.unaudited_segments(1).segment(), "0000000000000007-1-3");
  EXPECT_THAT(response.unaudited_segments(1).reason(), HasSubstr("no node that answers owns it"));
}

TEST(AuditMergeTest, DoubtfulBooksCountAndAreNamed) {
  AuditMerge merge;
  v1::AuditOwnedSegmentsResponse page = PageOf(1, true, 5);
  page.mutable_segments(0)->set_doubt("1 message is not here yet");
  merge.Take("a", page);
  const v1::AuditResponse response = Filled(merge);
  EXPECT_EQ(response.total().delivered(), 5u);
  ASSERT_EQ(response.unaudited_segments_size(), 1);
  EXPECT_EQ(response.unaudited_segments(0).reason(), "1 message is not here yet");
}

TEST(AuditMergeTest, ASegmentThatCannotBeReadIsNamedWithTheReason) {
  AuditMerge merge;
  v1::AuditOwnedSegmentsResponse page = PageOf(1, false, 5);
  page.mutable_segments(0)->set_error("the disk is broken");
  merge.Take("a", page);
  const v1::AuditResponse response = Filled(merge);
  EXPECT_EQ(response.segments(), 0u);
  EXPECT_EQ(response.total().accepted(), 0u);
  ASSERT_EQ(response.unaudited_segments_size(), 1);
  EXPECT_EQ(response.unaudited_segments(0).reason(), "a can't read it: the disk is broken");
}

TEST(AuditMergeTest, GapsNameTheirSegmentUpToALimit) {
  AuditMerge merge;
  for (uint32_t number = 1; number <= 150; ++number) {
    v1::AuditOwnedSegmentsResponse page = PageOf(number, true, 0);
    page.mutable_segments(0)->add_gaps()->set_first_seq(number);
    page.mutable_segments(0)->set_gaps_left_off(2);
    merge.Take("a", page);
  }
  const v1::AuditResponse response = Filled(merge);
  ASSERT_EQ(response.gaps_size(), 100);
  EXPECT_EQ(response.gaps(0).segment(), "0000000000000007-1-1");
  EXPECT_EQ(response.gaps_left_off(), 50u + 300u);
}

class AuditServiceTest : public testing::Test {
 protected:
  AuditServiceTest() : running_(dir_.path()) {}

  AnsweringNode* AddNode(uint64_t id, const std::string& name) {
    nodes_.push_back(std::make_unique<AnsweringNode>(id));
    processes_.push_back(std::make_unique<WatchingProcess>(
        running_.channel(), NodeJoin(id, name, name, nodes_.back()->address())));
    EXPECT_TRUE(processes_.back()->ReadUntil(nodes_.size() + 1));
    return nodes_.back().get();
  }
  grpc::Status Audit(const v1::AuditRequest& request) {
    grpc::ClientContext context;
    response_.Clear();
    return running_.operations().Audit(&context, request, &response_);
  }

  TempDir dir_;
  RunningCoordinator running_;
  std::vector<std::unique_ptr<AnsweringNode>> nodes_;
  std::vector<std::unique_ptr<WatchingProcess>> processes_;
  v1::AuditResponse response_;
};

TEST_F(AuditServiceTest, AddsUpThePagesOfAllNodes) {
  AnsweringNode* a = AddNode(1, "a");
  AnsweringNode* b = AddNode(2, "b");
  Row(a->AddSegment(1, 1), "one.test", 3, 4);
  Row(a->AddSegment(1, 2), "two.test", 1, 0);
  Row(b->AddSegment(2, 1), "one.test", 10, 0, 2);
  a->Hold(1, 1, true, 4);
  b->Hold(1, 1, false, 4);
  ASSERT_TRUE(Audit({}).ok());
  EXPECT_EQ(response_.segments(), 3u);
  EXPECT_EQ(response_.total().accepted(), 20u);
  EXPECT_EQ(response_.total().difference(), 2u);
  ASSERT_EQ(response_.domains_size(), 2);
  EXPECT_EQ(response_.domains(0).domain(), "one.test");
  EXPECT_EQ(response_.domains(0).counts().accepted(), 19u);
  EXPECT_EQ(response_.unaudited_nodes_size(), 0);
  EXPECT_EQ(response_.unaudited_segments_size(), 0);
}

TEST_F(AuditServiceTest, SilentNodesAndWhatOthersKnowOfTheirsAreNamed) {
  AnsweringNode* a = AddNode(1, "a");
  AnsweringNode* b = AddNode(2, "b");
  Row(a->AddSegment(1, 1), "one.test", 3, 0);
  a->Hold(2, 1, false, 4);  // b's
  b->Stop();
  ASSERT_TRUE(Audit({}).ok());
  EXPECT_EQ(response_.total().delivered(), 3u);
  ASSERT_EQ(response_.unaudited_nodes_size(), 1);
  EXPECT_EQ(response_.unaudited_nodes(0).node(), "b");
  ASSERT_EQ(response_.unaudited_segments_size(), 1);
  EXPECT_EQ(response_.unaudited_segments(0).segment(), "0000000000000002-1-1");
  EXPECT_EQ(response_.unaudited_segments(0).holders(0), "a");
}

TEST_F(AuditServiceTest, ADomainThatIsNoneIsRefusedByField) {
  v1::AuditRequest request;
  request.set_domain("localhost");
  const grpc::Status status = Audit(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("domain: "));
}

}  // namespace
}  // namespace fermo::coordinator
