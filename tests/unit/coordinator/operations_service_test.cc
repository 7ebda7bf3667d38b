// The operations over real gRPC, with real NodeOperations services behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "coordinator/coordinator_config.h"
#include "fermoposta/v1/config.pb.h"
#include "tests/unit/coordinator/running_coordinator.h"

namespace fermo::coordinator {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Code = grpc::StatusCode;

class OperationsServiceTest : public testing::Test {
 protected:
  OperationsServiceTest() : running_(dir_.path()) {}

  // A node that has joined and answers.
  AnsweringNode* AddNode(uint64_t id, const std::string& name, const std::string& region) {
    nodes_.push_back(std::make_unique<AnsweringNode>(id));
    processes_.push_back(std::make_unique<WatchingProcess>(
        running_.channel(), NodeJoin(id, name, region, nodes_.back()->address())));
    EXPECT_TRUE(processes_.back()->ReadUntil(nodes_.size() + 1));
    return nodes_.back().get();
  }
  void Queue(AnsweringNode* node, const std::string& domain, uint64_t messages, int64_t oldest) {
    v1::DomainQueue* queue = node->mutable_status()->add_domains();
    queue->set_domain(domain);
    queue->mutable_counts()->set_messages(messages);
    queue->mutable_counts()->set_waiting(messages);
    queue->mutable_counts()->set_oldest_millis(oldest);
    *node->mutable_status()->mutable_owned() = queue->counts();
  }
  grpc::Status AddDomain(const std::string& name, const std::string& primary) {
    v1::AddDomainRequest request;
    request.set_name(name);
    request.set_primary(primary);
    v1::AddDomainResponse response;
    grpc::ClientContext context;
    return running_.operations().AddDomain(&context, request, &response);
  }
  grpc::Status RemoveDomain(const std::string& name, bool force, uint64_t* waiting = nullptr) {
    v1::RemoveDomainRequest request;
    request.set_name(name);
    request.set_force(force);
    v1::RemoveDomainResponse response;
    grpc::ClientContext context;
    const grpc::Status status = running_.operations().RemoveDomain(&context, request, &response);
    if (waiting) *waiting = response.waiting();
    return status;
  }
  v1::ListQueueResponse ListQueue(const std::string& domain, uint32_t size,
                                  const std::string& token) {
    v1::ListQueueRequest request;
    request.set_domain(domain);
    request.set_page_size(size);
    request.set_page_token(token);
    v1::ListQueueResponse response;
    grpc::ClientContext context;
    const grpc::Status status = running_.operations().ListQueue(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  TempDir dir_;
  RunningCoordinator running_;
  std::vector<std::unique_ptr<AnsweringNode>> nodes_;
  std::vector<std::unique_ptr<WatchingProcess>> processes_;
};

TEST_F(OperationsServiceTest, ADomainIsAddedShownAndListed) {
  EXPECT_TRUE(AddDomain("Example.Test.", "127.0.0.1:2500").ok());
  v1::GetDomainRequest request;
  request.set_name("EXAMPLE.test");
  v1::GetDomainResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(running_.operations().GetDomain(&context, request, &response).ok());
  EXPECT_EQ(response.domain().name(), "example.test");
  EXPECT_EQ(response.domain().primary_host(), "127.0.0.1");
  EXPECT_EQ(response.domain().primary_port(), 2500u);
  EXPECT_GT(response.domain().created_millis(), 0);
  EXPECT_GT(response.domain().revision(), 0u);
}

TEST_F(OperationsServiceTest, BadDomainsAreRefusedByField) {
  grpc::Status status = AddDomain("localhost", "127.0.0.1:2500");
  EXPECT_EQ(status.error_code(), Code::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("name: "));
  status = AddDomain("example.test", "127.0.0.1:0");
  EXPECT_EQ(status.error_code(), Code::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("primary: "));
  EXPECT_TRUE(AddDomain("example.test", "127.0.0.1:2500").ok());
  status = AddDomain("example.test", "127.0.0.1:2501");
  EXPECT_EQ(status.error_code(), Code::ALREADY_EXISTS);
  EXPECT_THAT(status.error_message(), HasSubstr("remove it"));
}

TEST_F(OperationsServiceTest, OurOwnFrontendIsNoPrimary) {
  WatchingProcess frontend(running_.channel(), FrontendJoin("roma-fe", "127.0.0.1:2525"));
  ASSERT_TRUE(frontend.ReadUntil(1));
  const grpc::Status status = AddDomain("example.test", "localhost:2525");
  EXPECT_EQ(status.error_code(), Code::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("roma-fe"));
}

TEST_F(OperationsServiceTest, DomainsComeInPages) {
  for (const char* name : {"c.test", "a.test", "b.test"}) {
    EXPECT_TRUE(AddDomain(name, "127.0.0.1:2500").ok());
  }
  v1::ListDomainsRequest request;
  request.set_page_size(2);
  v1::ListDomainsResponse page;
  grpc::ClientContext first, second, third;
  ASSERT_TRUE(running_.operations().ListDomains(&first, request, &page).ok());
  ASSERT_EQ(page.domains_size(), 2);
  EXPECT_EQ(page.domains(1).name(), "b.test");
  request.set_page_token(page.next_page_token());
  v1::ListDomainsResponse last;
  ASSERT_TRUE(running_.operations().ListDomains(&second, request, &last).ok());
  ASSERT_EQ(last.domains_size(), 1);
  EXPECT_EQ(last.domains(0).name(), "c.test");
  EXPECT_EQ(last.next_page_token(), "");
  request.set_page_token("nonsense");
  EXPECT_EQ(running_.operations().ListDomains(&third, request, &last).error_code(),
            Code::INVALID_ARGUMENT);
}

TEST_F(OperationsServiceTest, ADomainWithWaitingMailIsRemovedOnlyByForce) {
  AnsweringNode* a = AddNode(1, "a", "A");
  AnsweringNode* b = AddNode(2, "b", "B");
  ASSERT_TRUE(AddDomain("example.test", "127.0.0.1:2500").ok());
  Queue(a, "example.test", 3, 1000);
  Queue(b, "example.test", 4, 500);
  grpc::Status status = RemoveDomain("example.test", false);
  EXPECT_EQ(status.error_code(), Code::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("7 messages wait"));
  uint64_t waiting = 0;
  EXPECT_TRUE(RemoveDomain("example.test", true, &waiting).ok());
  EXPECT_EQ(waiting, 7u);
  EXPECT_EQ(RemoveDomain("example.test", true).error_code(), Code::NOT_FOUND);
}

TEST_F(OperationsServiceTest, ADomainIsNotRemovedWhileANodeIsSilent) {
  AddNode(1, "a", "A")->Stop();
  ASSERT_TRUE(AddDomain("example.test", "127.0.0.1:2500").ok());
  const grpc::Status status = RemoveDomain("example.test", false);
  EXPECT_EQ(status.error_code(), Code::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("no answer from a"));
  EXPECT_TRUE(RemoveDomain("example.test", true).ok());
}

TEST_F(OperationsServiceTest, TheSummaryAddsUpAndNamesSilentNodes) {
  Queue(AddNode(1, "a", "A"), "one.test", 3, 1000);
  Queue(AddNode(2, "b", "B"), "one.test", 4, 500);
  AddNode(3, "c", "C")->Hang();
  v1::GetQueueSummaryResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(running_.operations().GetQueueSummary(&context, {}, &response).ok());
  ASSERT_EQ(response.domains_size(), 1);
  EXPECT_EQ(response.domains(0).counts().messages(), 7u);
  EXPECT_EQ(response.domains(0).counts().oldest_millis(), 500);
  EXPECT_EQ(response.total().messages(), 7u);
  EXPECT_THAT(response.unreachable_nodes(), ElementsAre("c"));
}

TEST_F(OperationsServiceTest, MailWithoutAnOwnerIsCountedOnceAndKeepsItsDomain) {
  AnsweringNode* a = AddNode(1, "a", "A");
  AnsweringNode* b = AddNode(2, "b", "B");
  auto hold = [](AnsweringNode* node, uint32_t number, bool owned, uint64_t messages) {
    v1::HeldSegment* held = node->mutable_status()->add_held_segments();
    held->mutable_id()->set_writer(3);
    held->mutable_id()->set_number(number);
    held->set_owned(owned);
    held->set_messages(messages);
  };
  hold(a, 1, true, 10);  // counted by its owner
  hold(b, 1, false, 10);
  hold(a, 2, false, 5);  // two copies of a dead node's segment
  hold(b, 2, false, 6);
  ASSERT_TRUE(AddDomain("example.test", "127.0.0.1:2500").ok());
  v1::GetQueueSummaryResponse summary;
  grpc::ClientContext first, second;
  ASSERT_TRUE(running_.operations().GetQueueSummary(&first, {}, &summary).ok());
  EXPECT_EQ(summary.ownerless_messages(), 6u);
  v1::GetClusterStatusResponse cluster;
  ASSERT_TRUE(running_.operations().GetClusterStatus(&second, {}, &cluster).ok());
  EXPECT_EQ(cluster.ownerless_messages(), 6u);
  const grpc::Status status = RemoveDomain("example.test", false);
  EXPECT_EQ(status.error_code(), Code::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("6 messages have no owner"));
}

TEST_F(OperationsServiceTest, TheQueueIsListedOverAllNodesInPages) {
  AnsweringNode* a = AddNode(0x1, "a", "A");
  AnsweringNode* b = AddNode(0x2, "b", "B");
  AnsweringNode* c = AddNode(0x3, "c", "C");
  for (int i = 1; i <= 3; ++i) {
    a->AddMessage("0000000000000001-1-1-" + std::to_string(i), "one.test");
    b->AddMessage("0000000000000002-1-1-" + std::to_string(i), "two.test");
    c->AddMessage("0000000000000003-1-1-" + std::to_string(i), "one.test");
  }
  std::vector<std::string> ids;
  std::string token;
  int pages = 0;
  do {
    const auto page = ListQueue("", 2, token);
    EXPECT_LE(page.messages_size(), 2);
    for (const auto& message : page.messages()) ids.push_back(message.id());
    token = page.next_page_token();
  } while (!token.empty() && ++pages < 20);
  EXPECT_EQ(ids.size(), 9u);
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
  EXPECT_EQ(ListQueue("one.test", 100, "").messages_size(), 6);
  EXPECT_EQ(ListQueue("ONE.test", 100, "").messages(0).owner(), "a");
  b->Stop();
  const auto rest = ListQueue("", 100, "");
  EXPECT_EQ(rest.messages_size(), 6);
  EXPECT_THAT(rest.unreachable_nodes(), ElementsAre("b"));
  EXPECT_LE(a->largest_limit, 1000u);
}

TEST_F(OperationsServiceTest, AMessageIsShownFromEveryNodeThatKnowsIt) {
  const std::string id = "0000000000000001-1-1-0";
  AddNode(1, "a", "A")->AddMessage(id, "one.test");
  AddNode(2, "b", "B")->AddMessage(id, "one.test");
  AnsweringNode* c = AddNode(3, "c", "C");
  v1::GetMessageRequest request;
  request.set_id(id);
  v1::GetMessageResponse response;
  grpc::ClientContext first, second, third, fourth;
  ASSERT_TRUE(running_.operations().GetMessage(&first, request, &response).ok());
  ASSERT_EQ(response.copies_size(), 2);
  EXPECT_EQ(response.copies(1).region(), "B");
  request.set_id("0000000000000001-1-1-7");
  EXPECT_EQ(running_.operations().GetMessage(&second, request, &response).error_code(),
            Code::NOT_FOUND);
  c->Stop();  // now nobody can say that it does not exist
  EXPECT_EQ(running_.operations().GetMessage(&third, request, &response).error_code(),
            Code::UNAVAILABLE);
  request.set_id("nonsense");
  EXPECT_EQ(running_.operations().GetMessage(&fourth, request, &response).error_code(),
            Code::INVALID_ARGUMENT);
}

TEST_F(OperationsServiceTest, ADomainsRouteIsShownAsEachNodeSeesIt) {
  ASSERT_TRUE(AddDomain("example.test", "127.0.0.1:2500").ok());
  nodes_.push_back(std::make_unique<AnsweringNode>(1));
  processes_.push_back(std::make_unique<WatchingProcess>(
      running_.channel(), NodeJoin(1, "a", "A", nodes_[0]->address())));
  ASSERT_TRUE(processes_[0]->ReadUntil(3));
  v1::RouteView* route = nodes_[0]->mutable_status()->add_routes();
  route->set_host("127.0.0.1");
  route->set_port(2500);
  route->set_state("down");
  *nodes_[0]->mutable_status()->add_routes() = *route;
  nodes_[0]->mutable_status()->mutable_routes(1)->set_port(26);
  v1::GetDomainRequest request;
  request.set_name("example.test");
  v1::GetDomainResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(running_.operations().GetDomain(&context, request, &response).ok());
  ASSERT_EQ(response.routes_size(), 1);
  EXPECT_EQ(response.routes(0).node(), "a");
  EXPECT_EQ(response.routes(0).route().state(), "down");
}

TEST_F(OperationsServiceTest, ANodeAnsweringUnderAnotherIdIsNotReachable) {
  AddNode(1, "a", "A")->mutable_status()->set_node(99);
  v1::ListNodesResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(running_.operations().ListNodes(&context, {}, &response).ok());
  ASSERT_EQ(response.nodes_size(), 1);
  EXPECT_FALSE(response.nodes(0).reachable());
  EXPECT_THAT(response.nodes(0).error(), HasSubstr("another node, 0000000000000063"));
}

TEST_F(OperationsServiceTest, TheStatusOfAHealthyClusterNamesNoProblem) {
  for (int i = 1; i <= 3; ++i) {
    AddNode(i, "node-" + std::to_string(i), "region-" + std::to_string(i));
  }
  WatchingProcess frontend(running_.channel(), FrontendJoin("fe", "127.0.0.1:2525"));
  ASSERT_TRUE(frontend.ReadUntil(4));
  frontend.Acknowledge(4);
  for (auto& process : processes_) process->Acknowledge(4);
  v1::GetClusterStatusResponse response;
  for (int i = 0; i < 1000; ++i) {  // until the acknowledgements have arrived
    grpc::ClientContext context;
    response.Clear();
    ASSERT_TRUE(running_.operations().GetClusterStatus(&context, {}, &response).ok());
    if (response.problems_size() == 0) break;
  }
  EXPECT_THAT(response.problems(), IsEmpty());
  EXPECT_EQ(response.nodes_size(), 3);
  EXPECT_EQ(response.processes_size(), 4);
  nodes_[1]->Stop();
  grpc::ClientContext context;
  response.Clear();
  ASSERT_TRUE(running_.operations().GetClusterStatus(&context, {}, &response).ok());
  EXPECT_THAT(response.problems(), Contains(HasSubstr("node-2 (region region-2)")));
}

absl::Status Check(const std::string& yaml, v1::CoordinatorConfig* config) {
  ConfigSource source;
  absl::Status parsed = ParseYaml(yaml, "c.yaml", config, &source);
  return parsed.ok() ? CheckConfig(source, config) : parsed;
}

TEST(CoordinatorConfigTest, AGoodFileIsAcceptedAndCompleted) {
  v1::CoordinatorConfig config;
  const absl::Status status = Check(
      "name: c1\nlisten: 127.0.0.1:7700\nhttp_listen: 127.0.0.1:7701\ndata_dir: /d\n"
      "insecure: true\n",
      &config);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(config.log().level(), "info");
  EXPECT_EQ(ToOptions(config).listen.port, 7700);
}

TEST(CoordinatorConfigTest, EachBadKeyIsNamedWithItsLine) {
  v1::CoordinatorConfig config;
  const std::string problems(
      Check("name: c1\nlisten: 192.0.2.1:7700\nhttp_listen: nowhere\ninsecure: true\n"
            "log:\n  level: loud\n",
            &config)
          .message());
  EXPECT_THAT(problems, HasSubstr("c.yaml:2: listen: "));
  EXPECT_THAT(problems, HasSubstr("c.yaml:3: http_listen: "));
  EXPECT_THAT(problems, HasSubstr("data_dir: "));
  EXPECT_THAT(problems, HasSubstr("c.yaml:6: log.level: "));
  EXPECT_FALSE(
      Check("name: c1\nlisten: 127.0.0.1:1\nhttp_listen: 127.0.0.1:2\ndata_dir: /d\n", &config)
          .ok());
}

}  // namespace
}  // namespace fermo::coordinator
