// The pure parts of drain and evict: sole copies, what the others must be able
// to keep, regions, and the problems that tell of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "coordinator/operations/leaving.h"
#include "coordinator/operations/problems.h"
#include "coordinator/operations/redundancy.h"

namespace fermo::coordinator {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

HeldCopy Copy(uint32_t number, uint64_t messages, std::vector<NodeId> holders) {
  HeldCopy copy;
  copy.segment.writer = NodeId(9);
  copy.segment.boot = 1;
  copy.segment.number = number;
  copy.messages = messages;
  copy.holders = std::move(holders);
  return copy;
}

Holdings Held(uint64_t node, std::vector<HeldCopy> held, bool answered = true) {
  Holdings holdings;
  holdings.node = NodeId(node);
  holdings.answered = answered;
  holdings.held = std::move(held);
  return holdings;
}

TEST(SoleCopiesTest, OnlySegmentsThatNoOtherAnsweringHolderHasCount) {
  const NodeId a(1), b(2), c(3);
  const SoleCopies sole =
      CountSoleCopies(a, {Held(1, {Copy(1, 10, {a, b}), Copy(2, 5, {a, c}), Copy(3, 0, {a, c})}),
                          Held(2, {Copy(1, 4, {a, b})}), Held(3, {}, /*answered=*/false)});
  EXPECT_TRUE(sole.known);
  EXPECT_EQ(sole.messages, 5u);
  EXPECT_EQ(sole.segments, 1u);
}

TEST(SoleCopiesTest, ACopyThatNoCommittedListNamesCountsForNothing) {
  const NodeId a(1), b(2), c(3);
  // c has begun to copy what a and the lost b hold.
  EXPECT_EQ(
      CountSoleCopies(a, {Held(1, {Copy(1, 10, {a, b})}), Held(3, {Copy(1, 9, {a, b})})}).messages,
      10u);
  // After the commit a is no holder any more, and what it still has is no matter.
  EXPECT_EQ(
      CountSoleCopies(a, {Held(1, {Copy(1, 10, {b, c})}), Held(3, {Copy(1, 9, {b, c})})}).messages,
      0u);
  // A node that does not tell of holders is one.
  EXPECT_EQ(CountSoleCopies(a, {Held(1, {Copy(1, 10, {})}), Held(2, {Copy(1, 9, {})})}).messages,
            0u);
}

TEST(SoleCopiesTest, ASilentNodesAreUnknownUnlessAllOthersAnswer) {
  const NodeId a(1), b(2);
  EXPECT_FALSE(CountSoleCopies(a, {Held(1, {}, false), Held(2, {}, false)}).known);
  const SoleCopies sole =
      CountSoleCopies(a, {Held(1, {}, false), Held(2, {Copy(1, 4, {a, b})}), Held(3, {})});
  EXPECT_TRUE(sole.known);
  EXPECT_EQ(sole.messages, 0u);
}

NodeFacts GoodNode(uint64_t id, const std::string& name, const std::string& region) {
  NodeFacts node;
  node.member.node = NodeId(id);
  node.member.name = name;
  node.member.region = region;
  node.answered = node.connected = node.ready = true;
  node.copies = 3;
  node.write_copies = node.min_regions = 2;
  return node;
}

class LeavingTest : public testing::Test {
 protected:
  LeavingTest()
      : nodes_({GoodNode(1, "a", "A"), GoodNode(2, "b", "B"), GoodNode(3, "c", "C"),
                GoodNode(4, "d", "C")}) {
    for (const NodeFacts& node : nodes_) view_.members[node.member.node] = node.member;
  }
  LeaveVerdict Drain(size_t index) { return JudgeDrain(view_, nodes_[index].member, nodes_); }
  LeaveVerdict Evict(size_t index, const SoleCopies& sole = {}) {
    return JudgeEviction(view_, nodes_[index].member, nodes_, sole);
  }

  ClusterView view_;
  std::vector<NodeFacts> nodes_;
};

TEST_F(LeavingTest, ADrainIsAllowedWhileTheOthersSuffice) {
  EXPECT_THAT(Drain(0).objections, IsEmpty());
  EXPECT_THAT(Drain(0).warnings, IsEmpty());
  nodes_[3].member.draining = true;
  EXPECT_THAT(Drain(0).objections, IsEmpty());
  EXPECT_THAT(Drain(0).warnings, ElementsAre("2 nodes will be left, fewer than the 3 copies that "
                                             "each message should have."));
  nodes_[1].member.draining = true;
  EXPECT_THAT(Drain(0).objections,
              ElementsAre("without a there is 1 node in 1 region, and new mail needs 2 copies in 2 "
                          "regions"));
}

TEST_F(LeavingTest, ADrainIsRefusedWhileAnotherRegionIsDegraded) {
  nodes_[1].answered = false;
  LeaveVerdict verdict = Drain(0);
  EXPECT_THAT(verdict.objections, Contains(HasSubstr("node b of region B does not answer")));
  const absl::Status refused = verdict.Decide(false);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("--force"));
  EXPECT_TRUE(verdict.Decide(true).ok());
  EXPECT_THAT(verdict.warnings[0], HasSubstr("Forced although"));
  // Its own region's silence is no reason: its neighbour does not replace it.
  EXPECT_THAT(Drain(1).objections, IsEmpty());
  EXPECT_THAT(Drain(1).warnings, Contains(HasSubstr("b does not answer")));
}

TEST_F(LeavingTest, ADomainsRegionsMustStillSuffice) {
  DomainRecord domain;
  domain.name = "x.test";
  domain.regions = {"A", "B"};
  view_.domains["x.test"] = domain;
  EXPECT_THAT(Drain(0).objections,
              ElementsAre(HasSubstr("in the regions of domain x.test (A, B)")));
  EXPECT_THAT(Drain(3).objections, IsEmpty());
}

TEST_F(LeavingTest, ANodeInUseIsNotEvictedAndADrainedOneIs) {
  EXPECT_THAT(Evict(0).objections, ElementsAre("a is connected and ready"));
  EXPECT_THAT(Evict(0).advice, HasSubstr("node drain 0000000000000001"));
  nodes_[0].member.draining = nodes_[0].drains = true;
  nodes_[0].to_hand_over = 1;
  EXPECT_THAT(Evict(0).objections, ElementsAre("a still has 1 segment to hand over"));
  nodes_[0].to_hand_over = 0;
  EXPECT_THAT(Evict(0).objections, IsEmpty());
  nodes_[1].answered = nodes_[1].connected = false;
  EXPECT_THAT(Evict(1).objections, IsEmpty());
}

TEST_F(LeavingTest, NobodyIsEvictedOnTheWordOfASuspectNode) {
  nodes_[0].connected = nodes_[0].ready = nodes_[0].answered = false;
  nodes_[1].suspect = true;
  EXPECT_THAT(Evict(0).objections, ElementsAre("b stopped uncleanly and may have lost copies of "
                                               "what a has"));
  nodes_[1].connected = nodes_[1].ready = nodes_[1].answered = false;
  EXPECT_THAT(Evict(1).objections, IsEmpty()) << "its own suspicion is no reason to keep it";
}

TEST_F(LeavingTest, MessagesThatMayBeLostForbidAnEviction) {
  nodes_[0].connected = nodes_[0].ready = false;
  SoleCopies sole;
  sole.messages = 7;
  sole.segments = 2;
  EXPECT_THAT(Evict(0, sole).objections,
              ElementsAre("7 messages of 2 segments may have no copy but on a"));
  sole.known = false;
  EXPECT_THAT(Evict(0, sole).objections, ElementsAre(HasSubstr("nobody can say")));
}

TEST_F(LeavingTest, ANodeIsFoundByItsNameOrItsId) {
  EXPECT_EQ(FindNode(view_, "b")->node, NodeId(2));
  EXPECT_EQ(FindNode(view_, "0000000000000003")->name, "c");
  EXPECT_TRUE(absl::IsInvalidArgument(FindNode(view_, "").status()));
  const absl::Status unknown = FindNode(view_, "e").status();
  EXPECT_TRUE(absl::IsNotFound(unknown));
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("fermoctl node list"));
  view_.members[NodeId(4)].name = "b";
  const absl::Status several = FindNode(view_, "b").status();
  EXPECT_TRUE(absl::IsInvalidArgument(several));
  EXPECT_THAT(std::string(several.message()), HasSubstr("0000000000000002, 0000000000000004"));
}

TEST_F(LeavingTest, RegionsOfADomainAreCheckedAndSorted) {
  EXPECT_THAT(CheckRegions({"C", "A", "C"}, nodes_).value(), ElementsAre("A", "C"));
  EXPECT_THAT(CheckRegions({}, {}).value(), IsEmpty());
  absl::Status status = CheckRegions({"A", "D"}, nodes_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("no node is in region D; nodes are in A"));
  status = CheckRegions({"C"}, nodes_).status();  // two nodes, one region
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("needs 2 copies in 2 regions"));
  nodes_[0].answered = false;  // will be back
  EXPECT_TRUE(CheckRegions({"A", "B"}, nodes_).ok());
  nodes_[0].member.draining = true;
  EXPECT_FALSE(CheckRegions({"A", "B"}, nodes_).ok());
  for (NodeFacts& node : nodes_) node.answered = false;
  EXPECT_TRUE(absl::IsUnavailable(CheckRegions({"B", "C"}, nodes_).status()));
}

TEST_F(LeavingTest, DrainsAndMissingCopiesAreProblems) {
  ClusterFacts facts;
  facts.nodes = nodes_;
  facts.nodes[0].member.draining = true;
  facts.nodes[0].ready = false;
  EXPECT_THAT(FindProblems(facts),
              Contains("Node a (region A) is to be drained but has not heard of it yet."));
  EXPECT_THAT(FindProblems(facts), Not(Contains(HasSubstr("is not ready"))));
  facts.nodes[0].drains = true;
  facts.nodes[0].to_hand_over = 3;
  EXPECT_THAT(FindProblems(facts), Contains("Node a (region A) is draining: 3 segments are left."));
  facts.nodes[0].to_hand_over = 0;
  EXPECT_THAT(FindProblems(facts), Contains("Node a (region A) is drained and safe to remove: "
                                            "`fermoctl node evict a`."));
  facts.nodes[1].member.name = "a";
  EXPECT_THAT(FindProblems(facts), Contains(HasSubstr("`fermoctl node evict 0000000000000001`")));
  facts.nodes[1].at_risk = 1;
  facts.nodes[1].under_replicated = 12;
  facts.nodes[1].repairs = 2;
  facts.nodes[2].surviving_segments = 1;
  EXPECT_THAT(FindProblems(facts),
              Contains(HasSubstr("1 message is on fewer live nodes than needed")));
  EXPECT_THAT(FindProblems(facts),
              Contains("12 messages have fewer live copies than wanted; 2 repairs are "
                       "under way."));
  EXPECT_THAT(FindProblems(facts),
              Contains(HasSubstr("Node c (region C) delivers 1 segment alone")));
}

TEST_F(LeavingTest, DrainingNodesAreNotLive) {
  ClusterFacts facts;
  facts.nodes = nodes_;
  for (size_t i = 1; i < 4; ++i) facts.nodes[i].member.draining = true;
  EXPECT_THAT(FindProblems(facts), Contains(HasSubstr("1 of the 2 nodes needed")));
  facts.nodes[0].member.draining = true;
  EXPECT_THAT(FindProblems(facts), Contains(HasSubstr("All nodes that answer are draining")));
}

}  // namespace
}  // namespace fermo::coordinator
