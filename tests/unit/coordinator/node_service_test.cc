// Drain, evict and regions over real gRPC, with real NodeOperations behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/coordinator/running_coordinator.h"

namespace fermo::coordinator {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Code = grpc::StatusCode;

class NodeServiceTest : public testing::Test {
 protected:
  NodeServiceTest() : running_(dir_.path()) {}

  AnsweringNode* AddNode(uint64_t id, const std::string& name, const std::string& region) {
    nodes_.push_back(std::make_unique<AnsweringNode>(id));
    v1::NodeStatus* status = nodes_.back()->mutable_status();
    status->set_copies(3);
    status->set_write_copies(2);
    status->set_min_regions(2);
    processes_.push_back(std::make_unique<WatchingProcess>(
        running_.channel(), NodeJoin(id, name, region, nodes_.back()->address())));
    EXPECT_TRUE(processes_.back()->ReadUntil(nodes_.size() + 1));
    return nodes_.back().get();
  }
  void Hold(AnsweringNode* node, uint32_t number, uint64_t messages,
            const std::vector<uint64_t>& holders) {
    v1::HeldSegment* held = node->mutable_status()->add_held_segments();
    held->mutable_id()->set_writer(1);
    held->mutable_id()->set_boot(1);
    held->mutable_id()->set_number(number);
    held->set_messages(messages);
    for (const uint64_t holder : holders) held->add_holders(holder);
  }
  grpc::Status Drain(const v1::DrainNodeRequest& request) {
    grpc::ClientContext context;
    drained_.Clear();
    return running_.operations().DrainNode(&context, request, &drained_);
  }
  grpc::Status Evict(const v1::EvictNodeRequest& request) {
    grpc::ClientContext context;
    evicted_.Clear();
    return running_.operations().EvictNode(&context, request, &evicted_);
  }
  v1::ListNodesResponse ListNodes() {
    v1::ListNodesResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(running_.operations().ListNodes(&context, {}, &response).ok());
    return response;
  }
  grpc::Status AddDomain(const std::string& name, const std::vector<std::string>& regions,
                         v1::AddDomainResponse* response) {
    v1::AddDomainRequest request;
    request.set_name(name);
    request.set_primary("127.0.0.1:2500");
    for (const std::string& region : regions) request.add_regions(region);
    grpc::ClientContext context;
    return running_.operations().AddDomain(&context, request, response);
  }

  TempDir dir_;
  RunningCoordinator running_;
  std::vector<std::unique_ptr<AnsweringNode>> nodes_;
  std::vector<std::unique_ptr<WatchingProcess>> processes_;
  v1::DrainNodeResponse drained_;
  v1::EvictNodeResponse evicted_;
};

TEST_F(NodeServiceTest, ANodeIsDrainedAndTakenBack) {
  AddNode(1, "a", "A");
  AddNode(2, "b", "B");
  AddNode(3, "c", "C");
  v1::DrainNodeRequest request;
  request.set_node("a");
  request.set_dry_run(true);
  ASSERT_TRUE(Drain(request).ok());
  EXPECT_FALSE(ListNodes().nodes(0).member().draining());
  request.set_dry_run(false);
  ASSERT_TRUE(Drain(request).ok());
  EXPECT_TRUE(drained_.member().draining());
  EXPECT_THAT(drained_.warnings(), ElementsAre(HasSubstr("2 nodes will be left")));
  EXPECT_TRUE(ListNodes().nodes(0).member().draining());
  EXPECT_TRUE(processes_[1]->ReadUntil(5)->members(0).draining());
  ASSERT_TRUE(Drain(request).ok());
  EXPECT_THAT(drained_.warnings(), ElementsAre("a is draining already."));
  request.set_cancel(true);
  request.set_node("0000000000000001");
  ASSERT_TRUE(Drain(request).ok());
  EXPECT_FALSE(ListNodes().nodes(0).member().draining());
}

TEST_F(NodeServiceTest, ADrainThatLeavesTooFewIsForcedOnly) {
  AddNode(1, "a", "A");
  AddNode(2, "b", "B");
  v1::DrainNodeRequest request;
  request.set_node("a");
  const grpc::Status status = Drain(request);
  EXPECT_EQ(status.error_code(), Code::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("needs 2 copies in 2 regions"));
  EXPECT_FALSE(ListNodes().nodes(0).member().draining());
  request.set_force(true);
  EXPECT_TRUE(Drain(request).ok());
  EXPECT_THAT(drained_.warnings(), Contains(HasSubstr("Forced although")));
  request.set_node("nobody");
  EXPECT_EQ(Drain(request).error_code(), Code::NOT_FOUND);
  request.set_reason(std::string(501, 'x'));
  EXPECT_EQ(Drain(request).error_code(), Code::INVALID_ARGUMENT);
}

TEST_F(NodeServiceTest, AnEvictionCountsWhatMayBeLost) {
  AnsweringNode* a = AddNode(1, "a", "A");
  AnsweringNode* b = AddNode(2, "b", "B");
  AddNode(3, "c", "C");
  Hold(a, 1, 10, {1, 2});
  Hold(b, 1, 10, {1, 2});
  Hold(a, 2, 4, {1, 3});  // c has lost its disk
  a->mutable_status()->set_ready(false);
  v1::EvictNodeRequest request;
  request.set_node("a");
  const grpc::Status status = Evict(request);
  EXPECT_EQ(status.error_code(), Code::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("4 messages of 1 segment"));
  request.set_force(true);
  request.set_dry_run(true);
  ASSERT_TRUE(Evict(request).ok());
  EXPECT_EQ(evicted_.sole_copies(), 4u);
  EXPECT_EQ(ListNodes().nodes_size(), 3);
  request.set_dry_run(false);
  ASSERT_TRUE(Evict(request).ok());
  EXPECT_EQ(evicted_.member().name(), "a");
  EXPECT_EQ(ListNodes().nodes_size(), 2);
  request.set_node("0000000000000001");
  EXPECT_TRUE(Evict(request).ok());
  EXPECT_THAT(evicted_.warnings(), ElementsAre(HasSubstr("evicted already")));
}

TEST_F(NodeServiceTest, ADeadNodeIsEvictedWhenAllOthersAnswer) {
  AddNode(1, "a", "A")->Stop();
  AnsweringNode* b = AddNode(2, "b", "B");
  AddNode(3, "c", "C");
  Hold(b, 1, 10, {1, 2});
  processes_.clear();
  b->Hang();
  v1::EvictNodeRequest request;
  request.set_node("a");
  grpc::Status status = Evict(request);
  EXPECT_EQ(status.error_code(), Code::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("nobody can say"));
  b->Resume();
  status = Evict(request);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(evicted_.sole_copies(), 0u);
}

TEST_F(NodeServiceTest, ADomainsRegionsAreStoredSortedIfTheyCanBeMet) {
  AddNode(1, "a", "A");
  AddNode(2, "b", "B");
  v1::AddDomainResponse response;
  ASSERT_TRUE(AddDomain("one.test", {"B", "A", "B"}, &response).ok());
  EXPECT_THAT(response.domain().regions(), ElementsAre("A", "B"));
  v1::GetDomainRequest request;
  request.set_name("one.test");
  v1::GetDomainResponse shown;
  grpc::ClientContext context;
  ASSERT_TRUE(running_.operations().GetDomain(&context, request, &shown).ok());
  EXPECT_THAT(shown.domain().regions(), ElementsAre("A", "B"));
  grpc::Status status = AddDomain("two.test", {"A"}, &response);
  EXPECT_EQ(status.error_code(), Code::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("regions: cannot be met"));
  status = AddDomain("two.test", {"A", "Z"}, &response);
  EXPECT_EQ(status.error_code(), Code::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("no node is in region Z"));
}

}  // namespace
}  // namespace fermo::coordinator
