// The commands of fermoctl against a real coordinator.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "ctl/command_line.h"
#include "tests/unit/coordinator/running_coordinator.h"

namespace fermo::ctl {
namespace {

using coordinator::AnsweringNode;
using coordinator::NodeJoin;
using coordinator::RunningCoordinator;
using coordinator::TempDir;
using coordinator::WatchingProcess;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CommandsTest : public testing::Test {
 protected:
  CommandsTest() : running_(dir_.path()) {
    surroundings_.default_coordinator = running_.get().grpc_address();
    surroundings_.version = "test";
    surroundings_.poll = std::chrono::milliseconds(5);
  }
  // The exit code; what was printed stands in out_ and err_.
  int Run(std::vector<std::string> arguments) {
    std::ostringstream out, err;
    arguments.push_back("--insecure");
    const int code = RunFermoctl(std::move(arguments), surroundings_, out, err);
    out_ = out.str();
    err_ = err.str();
    return code;
  }
  nlohmann::json Json(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-o", "json"});
    EXPECT_EQ(Run(std::move(arguments)), 0) << err_;
    return nlohmann::json::parse(out_, nullptr, false);
  }

  TempDir dir_;
  RunningCoordinator running_;
  Surroundings surroundings_;
  std::string out_, err_;
};

TEST_F(CommandsTest, ADomainsLife) {
  EXPECT_EQ(Run({"domain", "list"}), 0);
  EXPECT_THAT(out_, HasSubstr("There are no domains"));
  EXPECT_EQ(Run({"domain", "add", "Example.test", "--primary", "127.0.0.1:2500"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("example.test added with primary 127.0.0.1:2500"));
  EXPECT_THAT(err_, HasSubstr("no process is connected"));
  EXPECT_EQ(Run({"domain", "list"}), 0);
  EXPECT_THAT(out_, HasSubstr("example.test  127.0.0.1:2500"));
  // The option takes one value each time; what follows is the DOMAIN.
  const std::string address = running_.get().grpc_address();
  EXPECT_EQ(Run({"domain", "show", "--coordinator", address, "example.test"}), 0) << err_;
  EXPECT_EQ(Run({"domain", "show", "example.test"}), 0);
  EXPECT_THAT(out_, HasSubstr("Waiting:  nothing"));
  EXPECT_EQ(Json({"domain", "show", "example.test"})["domain"]["primary_port"], 2500);
  EXPECT_EQ(Run({"domain", "remove", "example.test"}), 0);
  EXPECT_EQ(Run({"domain", "remove", "example.test"}), 1);
  EXPECT_THAT(err_, HasSubstr("fermoctl: domain remove: there is no domain example.test"));
}

TEST_F(CommandsTest, ListsPageAndAllIsAll) {
  for (const char* name : {"a.test", "b.test", "c.test"}) {
    ASSERT_EQ(Run({"domain", "add", name, "--primary", "127.0.0.1:2500"}), 0);
  }
  auto page = Json({"domain", "list", "--limit", "2"});
  EXPECT_EQ(page["domains"].size(), 2u);
  const std::string token = page["next_page_token"];
  page = Json({"domain", "list", "--limit", "2", "--page-token", token});
  EXPECT_EQ(page["domains"].size(), 1u);
  EXPECT_EQ(page["next_page_token"], "");
  page = Json({"domain", "list", "--limit", "2", "--all"});
  EXPECT_EQ(page["domains"].size(), 3u);
  EXPECT_EQ(Run({"domain", "list", "--limit", "1"}), 0);
  EXPECT_THAT(err_, HasSubstr("more follow: --page-token "));
  EXPECT_EQ(Run({"domain", "list", "--limit", "1", "--all"}), 0);
  EXPECT_THAT(err_, IsEmpty());
  EXPECT_THAT(out_, HasSubstr("c.test"));
  EXPECT_EQ(out_.find("DOMAIN"), out_.rfind("DOMAIN"));
}

TEST_F(CommandsTest, TheQueueIsSummedListedAndShown) {
  AnsweringNode node(0xa1), silent(0xa2);
  WatchingProcess first(running_.channel(), NodeJoin(0xa1, "roma-1", "roma", node.address()));
  ASSERT_TRUE(first.ReadUntil(2));
  WatchingProcess second(running_.channel(), NodeJoin(0xa2, "bari-1", "bari", silent.address()));
  ASSERT_TRUE(second.ReadUntil(3));
  silent.Stop();
  const std::string id = "00000000000000a1-1-1-0";
  node.AddMessage(id, "one.test");
  auto* queue = node.mutable_status()->add_domains();
  queue->set_domain("one.test");
  queue->mutable_counts()->set_messages(1);
  queue->mutable_counts()->set_waiting(1);
  *node.mutable_status()->mutable_owned() = queue->counts();
  EXPECT_EQ(Run({"queue", "summary"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("one.test"));
  EXPECT_THAT(err_, HasSubstr("no answer from bari-1"));
  EXPECT_EQ(Run({"queue", "list", "--domain", "one.test"}), 0);
  EXPECT_THAT(out_, HasSubstr(id));
  EXPECT_THAT(out_, HasSubstr("user@one.test"));
  EXPECT_EQ(Json({"queue", "list"})["messages"][0]["id"], id);
  EXPECT_EQ(Run({"queue", "show", id}), 0);
  EXPECT_THAT(out_, HasSubstr("sender@else.test"));
  EXPECT_THAT(out_, HasSubstr("roma-1"));
  EXPECT_EQ(Json({"queue", "show", id})["copies"][0]["node"], "roma-1");
  EXPECT_EQ(Run({"queue", "show", "nonsense"}), 1);
  EXPECT_THAT(err_, HasSubstr("queue show: id: "));
  EXPECT_EQ(Run({"node", "list"}), 0);
  EXPECT_THAT(out_, HasSubstr("00000000000000a1"));
  EXPECT_THAT(out_, HasSubstr("unreachable"));
  EXPECT_EQ(Json({"node", "list"})["nodes"][1]["member"]["node"], "00000000000000a1");
  EXPECT_EQ(Run({"cluster", "status"}), 0);
  EXPECT_THAT(out_, HasSubstr(running_.get().cluster_uuid()));
  EXPECT_THAT(out_, HasSubstr("Problem: Node bari-1"));
}

TEST_F(CommandsTest, ANodeIsShownDrainedAndEvicted) {
  AnsweringNode a(0xa1), b(0xa2);
  auto first = std::make_unique<WatchingProcess>(running_.channel(),
                                                 NodeJoin(0xa1, "roma-1", "roma", a.address()));
  ASSERT_TRUE(first->ReadUntil(2));
  auto second = std::make_unique<WatchingProcess>(running_.channel(),
                                                  NodeJoin(0xa2, "bari-1", "bari", b.address()));
  ASSERT_TRUE(second->ReadUntil(3));
  EXPECT_EQ(Run({"node", "show", "roma-1"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("roma-1 (00000000000000a1)"));
  EXPECT_EQ(Json({"node", "show", "00000000000000a2"})["member"]["name"], "bari-1");
  EXPECT_EQ(Run({"node", "show", "nobody"}), 1);
  EXPECT_THAT(err_, HasSubstr("fermoctl node list"));
  EXPECT_EQ(Run({"node", "evict", "roma-1"}), 1);
  EXPECT_THAT(err_, HasSubstr("roma-1 is connected and ready"));
  EXPECT_EQ(Run({"node", "drain", "roma-1", "--dry-run"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("Nothing was changed"));
  a.Drain(3);
  EXPECT_EQ(Run({"node", "drain", "roma-1", "--wait", "--reason", "old disk"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("2 segments left\n1 segment left\n"));
  EXPECT_THAT(out_, HasSubstr("roma-1 is safe to remove: fermoctl node evict roma-1"));
  EXPECT_EQ(Run({"node", "list"}), 0);
  EXPECT_THAT(out_, HasSubstr("drained"));
  EXPECT_EQ(Run({"node", "evict", "roma-1", "--reason", "old disk"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("roma-1 (00000000000000a1) is evicted"));
  EXPECT_EQ(Json({"node", "list"})["nodes"].size(), 1u);
  EXPECT_EQ(Run({"node", "drain", "bari-1", "--wait", "--cancel"}), 2);
}

TEST_F(CommandsTest, TheStatusTellsOfMissingCopiesAndDrains) {
  AnsweringNode a(0xa1), b(0xa2);
  WatchingProcess first(running_.channel(), NodeJoin(0xa1, "roma-1", "roma", a.address()));
  ASSERT_TRUE(first.ReadUntil(2));
  WatchingProcess second(running_.channel(), NodeJoin(0xa2, "bari-1", "bari", b.address()));
  ASSERT_TRUE(second.ReadUntil(3));
  EXPECT_EQ(Run({"cluster", "status"}), 0);
  EXPECT_EQ(out_.find("Copies:"), std::string::npos);
  a.mutable_status()->set_at_risk(1);
  b.mutable_status()->set_under_replicated(4);
  b.mutable_status()->set_repairs(1);
  EXPECT_EQ(Run({"cluster", "status"}), 0);
  EXPECT_THAT(out_, HasSubstr("Copies:   1 message at risk, 4 messages with too few live copies, "
                              "1 repair under way"));
  a.Drain(9);
  EXPECT_EQ(Json({"node", "drain", "roma-1"})["member"]["draining"], true);
  EXPECT_EQ(Run({"node", "list"}), 0);
  EXPECT_THAT(out_, HasSubstr("draining, "));
  EXPECT_EQ(Run({"cluster", "status"}), 0);
  EXPECT_THAT(out_, HasSubstr("Problem: Node roma-1 (region roma) is draining: "));
}

TEST_F(CommandsTest, TheAuditAddsUpAndItsExitCodeTells) {
  AnsweringNode a(0xa1), b(0xa2);
  WatchingProcess first(running_.channel(), NodeJoin(0xa1, "roma-1", "roma", a.address()));
  ASSERT_TRUE(first.ReadUntil(2));
  WatchingProcess second(running_.channel(), NodeJoin(0xa2, "bari-1", "bari", b.address()));
  ASSERT_TRUE(second.ReadUntil(3));
  auto* row = a.AddSegment(0xa1, 1)->add_domains();
  row->set_domain("one.test");
  row->mutable_counts()->set_accepted(12);
  row->mutable_counts()->set_delivered(9);
  row->mutable_counts()->set_waiting(3);
  EXPECT_EQ(Run({"audit"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("DOMAIN    ACCEPTED  DELIVERED  BOUNCED  EXPIRED  CANCELLED  "
                              "WAITING  DIFF\n"
                              "one.test        12          9        0        0          0  "
                              "      3     0\n"
                              "(total)         12          9        0        0          0  "
                              "      3     0\n"));
  EXPECT_THAT(out_, HasSubstr("Scope: 1 segment not yet closed"));
  EXPECT_EQ(Json({"audit", "--domain", "one.test"})["total"]["accepted"], "12");
  b.Hold(0xa3, 1, false, 5);
  EXPECT_EQ(Run({"audit"}), 5);
  EXPECT_THAT(out_, HasSubstr("Not audited: 00000000000000a3-1-1, 5 unfinished messages on "
                              "bari-1: no node that answers owns it\n"));
  EXPECT_THAT(err_, HasSubstr("fermoctl: audit: no difference so far"));
  auto* audit = b.AddSegment(0xa2, 1);
  auto* lost = audit->add_domains();
  lost->mutable_counts()->set_accepted(2);
  lost->mutable_counts()->set_difference(2);
  auto* gap = audit->add_gaps();
  gap->set_kind(coordinator::v1::AUDIT_GAP_KIND_MISSING);
  gap->set_first_seq(10);
  gap->set_last_seq(11);
  EXPECT_EQ(Run({"audit"}), 4);
  EXPECT_THAT(out_, HasSubstr("(unknown)         2"));
  EXPECT_THAT(out_, HasSubstr("Difference: 00000000000000a2-1-1-a to 00000000000000a2-1-1-b: "
                              "missing\n"));
  EXPECT_THAT(err_, HasSubstr("the difference is 2 legs"));
  EXPECT_EQ(Run({"audit", "--domain", "nonsense"}), 1);
  surroundings_.width = 80;
  EXPECT_EQ(Run({"audit"}), 4);
  EXPECT_LE(out_.find('\n'), 80u);
}

TEST_F(CommandsTest, ADomainMayBeKeptInSomeRegions) {
  AnsweringNode a(0xa1), b(0xa2);
  WatchingProcess first(running_.channel(), NodeJoin(0xa1, "roma-1", "roma", a.address()));
  ASSERT_TRUE(first.ReadUntil(2));
  WatchingProcess second(running_.channel(), NodeJoin(0xa2, "bari-1", "bari", b.address()));
  ASSERT_TRUE(second.ReadUntil(3));
  EXPECT_EQ(
      Run({"domain", "add", "--regions", "roma,bari", "a.test", "--primary", "127.0.0.1:2500"}), 0)
      << err_;
  EXPECT_EQ(Run({"domain", "list"}), 0);
  EXPECT_THAT(out_, HasSubstr("bari, roma"));
  EXPECT_EQ(Run({"domain", "show", "a.test"}), 0);
  EXPECT_THAT(out_, HasSubstr("Regions:  bari, roma"));
  EXPECT_EQ(Run({"domain", "add", "b.test", "--regions", "pisa", "--primary", "127.0.0.1:2500"}),
            1);
  EXPECT_THAT(err_, HasSubstr("regions: no node is in region pisa"));
}

TEST_F(CommandsTest, AnEmptyClusterSaysSo) {
  EXPECT_EQ(Run({"node", "list"}), 0);
  EXPECT_THAT(out_, HasSubstr("No node has joined"));
  EXPECT_EQ(Run({"queue", "list"}), 0);
  EXPECT_THAT(out_, HasSubstr("No message waits"));
  EXPECT_EQ(Run({"cluster", "status"}), 0);
  EXPECT_THAT(out_, HasSubstr("Problem: No node has joined"));
}

TEST_F(CommandsTest, WrongUsageIsTwo) {
  EXPECT_EQ(Run({}), 2);
  EXPECT_EQ(Run({"domain"}), 2);
  EXPECT_EQ(Run({"domain", "add", "a.test"}), 2);
  EXPECT_THAT(err_, HasSubstr("--primary"));
  EXPECT_EQ(Run({"domain", "ad", "a.test"}), 2);
  EXPECT_EQ(Run({"domain", "list", "--limit", "0"}), 2);
  EXPECT_EQ(Run({"domain", "list", "--all", "--page-token", "x"}), 2);
  EXPECT_EQ(Run({"domain", "list", "-o", "xml"}), 2);
  EXPECT_EQ(Run({"domain", "list", "extra"}), 2);
  EXPECT_EQ(Run({"domain", "list", "--timeout", "soon"}), 2);
  EXPECT_THAT(err_, HasSubstr("--timeout"));
  EXPECT_EQ(Run({"domain", "list", "--coordinator", "nonsense"}), 2);
  EXPECT_EQ(Run({"domain", "list", "--coordinator", "192.0.2.1:7700"}), 2);  // not loopback
  std::ostringstream out, err;
  EXPECT_EQ(RunFermoctl({"domain", "list"}, surroundings_, out, err), 2);  // not --insecure
  EXPECT_THAT(err.str(), HasSubstr("insecure"));
}

TEST_F(CommandsTest, BadValuesAreRefusedByTheCoordinatorWithOne) {
  EXPECT_EQ(Run({"domain", "add", "localhost", "--primary", "127.0.0.1:25"}), 1);
  EXPECT_THAT(err_, HasSubstr("fermoctl: domain add: name: "));
  EXPECT_EQ(Run({"domain", "add", "a.test", "--primary", "127.0.0.1:0"}), 1);
  EXPECT_THAT(err_, HasSubstr("primary: "));
  EXPECT_EQ(Run({"domain", "list", "--page-token", "x"}), 1);
  EXPECT_THAT(err_, HasSubstr("page_token"));
  EXPECT_THAT(out_, IsEmpty());
}

TEST_F(CommandsTest, HelpAndVersionAreNoErrors) {
  EXPECT_EQ(Run({"--help"}), 0);
  EXPECT_THAT(out_, HasSubstr("--coordinator"));
  EXPECT_EQ(Run({"domain", "add", "--help"}), 0);
  EXPECT_THAT(out_, HasSubstr("--primary"));
  EXPECT_EQ(Run({"--version"}), 0);
  EXPECT_THAT(out_, HasSubstr("fermoctl test"));
}

TEST_F(CommandsTest, TheFirstCoordinatorThatAnswersIsAsked) {
  std::string closed;
  {
    AnsweringNode gone(1);
    closed = gone.address();
  }
  const std::string alive = running_.get().grpc_address();
  EXPECT_EQ(Run({"--coordinator", closed, "--coordinator", alive, "domain", "list"}), 0) << err_;
  EXPECT_EQ(Run({"domain", "list", "--coordinator", closed}), 3);
  EXPECT_THAT(err_, HasSubstr("no coordinator can be reached: " + closed));
  EXPECT_THAT(err_, HasSubstr("FERMOCTL_COORDINATOR"));
  EXPECT_THAT(out_, IsEmpty());
}

TEST_F(CommandsTest, ACallThatTakesTooLongIsNotReachable) {
  AnsweringNode node(1);
  WatchingProcess joined(running_.channel(), NodeJoin(1, "roma-1", "roma", node.address()));
  ASSERT_TRUE(joined.ReadUntil(2));
  node.Hang();  // the coordinator waits 700 ms for it
  EXPECT_EQ(Run({"--timeout", "100ms", "node", "list"}), 3);
  EXPECT_THAT(err_, HasSubstr("has not answered within 100ms"));
  EXPECT_EQ(Run({"node", "list"}), 0);
  EXPECT_THAT(out_, HasSubstr("unreachable"));
}

}  // namespace
}  // namespace fermo::ctl
