// The pure parts of the operations: names, primaries, page tokens, the queue
// pager, problems.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "coordinator/operations/domain_name.h"
#include "coordinator/operations/page_token.h"
#include "coordinator/operations/problems.h"
#include "coordinator/operations/queue_pager.h"

namespace fermo::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Ask = QueuePager::Ask;

std::string DomainProblem(const std::string& text) {
  auto name = NormalizeDomain(text);
  return name.ok() ? "accepted as " + *name : std::string(name.status().message());
}

TEST(DomainNameTest, GoodNamesComeBackInLowerCaseWithoutTheFinalDot) {
  EXPECT_EQ(NormalizeDomain("Example.TEST").value(), "example.test");
  EXPECT_EQ(NormalizeDomain("example.test.").value(), "example.test");
  EXPECT_EQ(NormalizeDomain("xn--bcher-kva.example").value(), "xn--bcher-kva.example");
  EXPECT_EQ(NormalizeDomain("1.2a").value(), "1.2a");
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'b');
  EXPECT_EQ(NormalizeDomain(longest).value(), longest);
}

TEST(DomainNameTest, BadNamesAreRefusedWithTheReason) {
  EXPECT_THAT(DomainProblem(""), HasSubstr("empty"));
  EXPECT_THAT(DomainProblem("."), HasSubstr("empty"));
  EXPECT_THAT(DomainProblem("localhost"), HasSubstr("single label"));
  EXPECT_THAT(DomainProblem("a..b"), HasSubstr("empty label"));
  EXPECT_THAT(DomainProblem(".a.b"), HasSubstr("empty label"));
  EXPECT_THAT(DomainProblem("-a.test"), HasSubstr("hyphen"));
  EXPECT_THAT(DomainProblem("a-.test"), HasSubstr("hyphen"));
  EXPECT_THAT(DomainProblem("ab--c.test"), HasSubstr("reserved"));
  EXPECT_THAT(DomainProblem("a_b.test"), HasSubstr("'_'"));
  EXPECT_THAT(DomainProblem("user@example.test"), HasSubstr("'@'"));
  EXPECT_THAT(DomainProblem("exa mple.test"), HasSubstr("' '"));
  EXPECT_THAT(DomainProblem(std::string("a\0.test", 7)), HasSubstr("control"));
  EXPECT_THAT(DomainProblem("b\xc3\xbc"
                            "cher.example"),
              HasSubstr("A-labels"));
  EXPECT_THAT(DomainProblem("192.0.2.1"), HasSubstr("address"));
  EXPECT_THAT(DomainProblem("[192.0.2.1]"), HasSubstr("address"));
  EXPECT_THAT(DomainProblem("::1"), HasSubstr("address"));
  EXPECT_THAT(DomainProblem("1.2.3"), HasSubstr("number"));
  EXPECT_THAT(DomainProblem(std::string(64, 'a') + ".test"), HasSubstr("63"));
  const std::string label(63, 'a');
  EXPECT_THAT(DomainProblem(label + "." + label + "." + label + "." + std::string(62, 'b')),
              HasSubstr("253"));
}

std::string PrimaryProblem(const std::string& text) {
  auto primary = ParsePrimary(text);
  return primary.ok() ? "accepted as " + primary->host : std::string(primary.status().message());
}

TEST(PrimaryTest, HostPortAndAddressesAreUnderstood) {
  EXPECT_EQ(ParsePrimary("MX.example.test").value(), (cluster::Route{"mx.example.test", 25}));
  EXPECT_EQ(ParsePrimary("mx.example.test:2525").value(),
            (cluster::Route{"mx.example.test", 2525}));
  EXPECT_EQ(ParsePrimary("postfix:65535").value(), (cluster::Route{"postfix", 65535}));
  EXPECT_EQ(ParsePrimary("127.0.0.1:2500").value(), (cluster::Route{"127.0.0.1", 2500}));
  EXPECT_EQ(ParsePrimary("[2001:db8::1]:26").value(), (cluster::Route{"2001:db8::1", 26}));
  EXPECT_EQ(ParsePrimary("[::1]").value(), (cluster::Route{"::1", 25}));
}

TEST(PrimaryTest, UnusablePrimariesAreRefusedWithTheReason) {
  EXPECT_THAT(PrimaryProblem(""), HasSubstr("required"));
  for (const char* text :
       {"mx.test:0", "mx.test:65536", "mx.test:", "mx.test:smtp", ":25", "mx.test:-1", "[::1",
        "0.0.0.0", "[::]:25", "224.0.0.1:25", "255.255.255.255", "[ff02::1]:25", "mx..test",
        "m_x.test", "1.2.3:25", "-mx.test", "mx.test:25:25", "mx test", "user@mx.test"}) {
    EXPECT_FALSE(ParsePrimary(text).ok()) << text;
  }
  EXPECT_THAT(PrimaryProblem("mx.test:0"), HasSubstr("port 0"));
  EXPECT_THAT(PrimaryProblem("0.0.0.0:25"), HasSubstr("unspecified"));
}

TEST(PrimaryTest, OurOwnListenersAreNoPrimaries) {
  const std::vector<OwnAddress> ours = {{"frontend a", "127.0.0.1:2525"},
                                        {"frontend b", "0.0.0.0:2526"},
                                        {"frontend c", "mx1.backup.test:25"},
                                        {"frontend d", "[2001:db8::1]:25"}};
  auto refused = [&](const std::string& primary) {
    return !CheckNotOurs(ParsePrimary(primary).value(), ours).ok();
  };
  EXPECT_TRUE(refused("127.0.0.1:2525"));
  EXPECT_TRUE(refused("localhost:2525"));
  EXPECT_TRUE(refused("[::ffff:127.0.0.1]:2525"));
  EXPECT_TRUE(refused("127.0.0.9:2526"));
  EXPECT_TRUE(refused("MX1.backup.test"));
  EXPECT_TRUE(refused("[2001:db8:0::1]"));
  EXPECT_FALSE(refused("127.0.0.1:2527"));
  EXPECT_FALSE(refused("192.0.2.1:2526"));
  EXPECT_FALSE(refused("mx.example.test:2525"));
  const absl::Status status = CheckNotOurs(ParsePrimary("127.0.0.1:2525").value(), ours);
  EXPECT_THAT(std::string(status.message()), HasSubstr("frontend a"));
}

constexpr char kMessage[] = "5f3a9c0e12b47d68-3-1-2a";

TEST(PageTokenTest, TokensComeBackAsTheyWere) {
  EXPECT_EQ(DecodeDomainToken(EncodeDomainToken("a.test")).value(), "a.test");
  EXPECT_EQ(DecodeDomainToken("").value(), "");
  const QueueCursor cursor{NodeId(7), kMessage};
  EXPECT_EQ(DecodeQueueToken(EncodeQueueToken("a.test", cursor), "a.test").value(), cursor);
  EXPECT_EQ(DecodeQueueToken("", "a.test").value(), std::nullopt);
}

TEST(PageTokenTest, ForeignTokensAreRefused) {
  const std::string token = EncodeQueueToken("", QueueCursor{NodeId(7), kMessage});
  EXPECT_FALSE(DecodeQueueToken(token, "a.test").ok());
  EXPECT_FALSE(DecodeDomainToken(token).ok());
  EXPECT_FALSE(DecodeQueueToken(EncodeDomainToken("a.test"), "").ok());
  EXPECT_FALSE(DecodeQueueToken("!!", "").ok());
  EXPECT_FALSE(DecodeQueueToken(token.substr(1), "").ok());
  EXPECT_FALSE(DecodeQueueToken(EncodeQueueToken("", QueueCursor{NodeId(7), "x"}), "").ok());
  EXPECT_FALSE(DecodeQueueToken(std::string(5000, 'A'), "").ok());
}

TEST(PageTokenTest, PagesHaveADefaultAndAMost) {
  EXPECT_EQ(PageSize(0), 100u);
  EXPECT_EQ(PageSize(7), 7u);
  EXPECT_EQ(PageSize(100000), 1000u);
}

TEST(QueuePagerTest, GoesThroughTheNodesInOrder) {
  QueuePager pager({NodeId(3), NodeId(1)}, std::nullopt, 10);
  EXPECT_EQ(pager.Next(), (Ask{NodeId(1), "", 10}));
  pager.Answered(4, "d", false);
  EXPECT_EQ(pager.Next(), (Ask{NodeId(3), "", 6}));
  pager.Answered(2, "f", false);
  EXPECT_EQ(pager.Next(), std::nullopt);
  EXPECT_EQ(pager.Cursor(), std::nullopt);
}

TEST(QueuePagerTest, AFullPageGoesOnWhereItEnded) {
  QueuePager pager({NodeId(1), NodeId(3)}, std::nullopt, 4);
  pager.Answered(3, "c", true);  // a node may give less than asked
  EXPECT_EQ(pager.Next(), (Ask{NodeId(1), "c", 1}));
  pager.Answered(1, "d", true);
  EXPECT_EQ(pager.Next(), std::nullopt);
  ASSERT_EQ(pager.Cursor(), (QueueCursor{NodeId(1), "d"}));
  QueuePager next({NodeId(1), NodeId(3)}, pager.Cursor(), 4);
  EXPECT_EQ(next.Next(), (Ask{NodeId(1), "d", 4}));
  next.Answered(4, "h", false);
  EXPECT_EQ(next.Cursor(), (QueueCursor{NodeId(3), ""}));
}

TEST(QueuePagerTest, NodesThatFailOrAreGoneArePassedOver) {
  QueuePager pager({NodeId(1), NodeId(3), NodeId(5)}, QueueCursor{NodeId(2), "x"}, 4);
  EXPECT_EQ(pager.Next(), (Ask{NodeId(3), "", 4}));
  pager.Failed();
  EXPECT_EQ(pager.Next(), (Ask{NodeId(5), "", 4}));
  pager.Answered(0, "", true);  // delivered meanwhile: asked again
  EXPECT_EQ(pager.Next(), (Ask{NodeId(5), "", 4}));
  pager.Answered(0, "", true);
  pager.Answered(0, "", true);  // but not for ever
  EXPECT_EQ(pager.Next(), std::nullopt);
  EXPECT_EQ(pager.Cursor(), std::nullopt);
  EXPECT_EQ(QueuePager({}, std::nullopt, 1).Next(), std::nullopt);
  EXPECT_EQ(QueuePager({NodeId(1)}, QueueCursor{NodeId(9), ""}, 1).Next(), std::nullopt);
}

NodeFacts GoodNode(uint64_t id, const std::string& name, const std::string& region) {
  NodeFacts node;
  node.member.node = NodeId(id);
  node.member.name = name;
  node.member.region = region;
  node.member.address = "127.0.0.1:7001";
  node.answered = node.connected = node.ready = true;
  node.copies = 3;
  node.write_copies = node.min_regions = 2;
  return node;
}

ClusterFacts GoodCluster() {
  ClusterFacts facts;
  facts.generation = 5;
  facts.nodes = {GoodNode(1, "a", "A"), GoodNode(2, "b", "B"), GoodNode(3, "c", "C")};
  Process frontend;
  frontend.join.role = rpc::Role::kSmtpFrontend;
  frontend.join.name = "fe";
  frontend.applied_generation = 5;
  facts.processes = {frontend};
  return facts;
}

void Lose(NodeFacts* node) {
  node->answered = node->connected = node->ready = false;
  node->error = "connection refused";
  node->disconnected_at = WallTime(std::chrono::milliseconds(1714564800000));
}

TEST(ProblemsTest, AHealthyClusterHasNone) { EXPECT_THAT(FindProblems(GoodCluster()), IsEmpty()); }

TEST(ProblemsTest, ALostNodeIsNamedWithSinceWhenAndWhatItMeans) {
  ClusterFacts facts = GoodCluster();
  Lose(&facts.nodes[1]);
  EXPECT_THAT(FindProblems(facts),
              ElementsAre(HasSubstr("2 nodes are live, fewer than the 3 copies"),
                          "Node b (region B) is unreachable since 2024-05-01 12:00:00 UTC: "
                          "connection refused."));
  facts.nodes[1].disconnected_at = std::nullopt;
  EXPECT_THAT(FindProblems(facts)[1], HasSubstr("since before this coordinator started"));
  Lose(&facts.nodes[2]);
  EXPECT_THAT(FindProblems(facts)[0], HasSubstr("1 of the 2 nodes needed"));
  EXPECT_THAT(FindProblems(facts)[1], HasSubstr("1 of the 2 regions"));
  Lose(&facts.nodes[0]);
  EXPECT_THAT(FindProblems(facts)[0], HasSubstr("No node answers"));
}

TEST(ProblemsTest, RegionsCountAndNotOnlyNodes) {
  ClusterFacts facts = GoodCluster();
  for (NodeFacts& node : facts.nodes) node.member.region = "A";
  EXPECT_THAT(FindProblems(facts), ElementsAre(HasSubstr("1 of the 2 regions")));
  for (NodeFacts& node : facts.nodes) node.copies = node.write_copies = node.min_regions = 1;
  EXPECT_THAT(FindProblems(facts), IsEmpty());
}

TEST(ProblemsTest, OtherTroublesAreSentences) {
  ClusterFacts facts = GoodCluster();
  facts.nodes[0].ready = false;
  facts.nodes[0].not_ready_reason = "no room";
  facts.nodes[1].connected = false;
  facts.processes[0].applied_generation = 4;
  EXPECT_THAT(FindProblems(facts),
              ElementsAre("Node a (region A) is not ready: no room.",
                          HasSubstr("b (region B) answers but is not connected"),
                          "fe runs on generation 4, the newest is 5."));
  facts = GoodCluster();
  facts.nodes[2].member.name = "a";
  facts.processes[0].applied_generation = 6;
  EXPECT_THAT(FindProblems(facts), ElementsAre(HasSubstr("2 nodes are named a"),
                                               HasSubstr("is older than the cluster")));
  facts.nodes.clear();
  facts.processes.clear();
  EXPECT_THAT(FindProblems(facts),
              ElementsAre(HasSubstr("No node has joined"), HasSubstr("No SMTP frontend")));
}

}  // namespace
}  // namespace fermo::coordinator
