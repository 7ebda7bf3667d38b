// The Deliverer over real sockets against a scripted primary: what arrives, in
// which order, and what happens when it doesn't.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "tests/unit/delivery/harness.h"

namespace fermo::node {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string Large(size_t size) {
  Rng rng(99);
  std::string content = "Subject: large\r\n\r\n";
  while (content.size() < size) {
    if (rng.Uniform(4) == 0) content.append(".");
    for (size_t i = rng.Uniform(900); i > 0; --i) {
      const char octet = static_cast<char>(1 + rng.Uniform(255));
      content.push_back(octet == '\r' || octet == '\n' ? '.' : octet);
    }
    content.append("\r\n");
  }
  return content;
}

TEST_F(DelivererTest, DeliversOctetForOctet) {
  ScriptedPrimary primary;
  RouteTo("a.test", primary.port());
  Start();
  const std::vector<std::string> contents = {
      kSmall,         ".\r\n..\r\n...\r\n.dot at the start\r\n\r\n.\r\nend\r\n",
      "\r\n\r\n\r\n", "8 bit: \xc3\xa9\xff\x01\x7f\t\r\n" + std::string(5000, 'x') + "\r\n",
      Large(1500000), Large(256 * 1024),
  };
  for (const std::string& content : contents) Put({"u@a.test"}, content);
  ASSERT_TRUE(RunUntil([&] { return delivered() == contents.size(); }));
  std::multiset<std::string> arrived;
  for (const auto& message : primary.messages()) arrived.insert(message.content);
  EXPECT_TRUE(arrived == std::multiset<std::string>(contents.begin(), contents.end()));
}

TEST_F(DelivererTest, PassesTheEnvelopeOnAsItCame) {
  ScriptedPrimary primary;
  RouteTo("a.test", primary.port());
  RouteTo("also-a.test", primary.port());
  Start();
  const MessageId id = Put({"one@a.test", "two@also-a.test"}, kSmall);
  ASSERT_TRUE(RunUntil([&] { return Delivered(id, 0) && Delivered(id, 1); }));
  const auto messages = primary.messages();
  ASSERT_EQ(messages.size(), 1U) << "one transaction for all legs of the route";
  EXPECT_EQ(messages[0].mail_line, "MAIL FROM:<sender@origin.test> SIZE=24");
  EXPECT_THAT(messages[0].rcpt_lines,
              ElementsAre("RCPT TO:<one@a.test>", "RCPT TO:<two@also-a.test>"));
  EXPECT_EQ(ownership_.outcomes.at({id, 1}).reply, "250 2.0.0 Ok: queued");
  EXPECT_EQ(deliverer_->Totals().legs, 0U);
  EXPECT_TRUE(Logged("message_delivered"));
}

TEST_F(DelivererTest, SendsNoFinalDotBeforeTheHoldersHaveAcknowledged) {
  ownership_.hold_announcements = true;
  ScriptedPrimary primary;
  RouteTo("a.test", primary.port());
  Start();
  const MessageId id = Put({"u@a.test"}, kSmall);
  ASSERT_TRUE(RunUntil([&] { return !ownership_.held.empty(); }));
  RunFor(milliseconds(300));
  EXPECT_THAT(primary.commands(), Contains("DATA")) << "the content goes out meanwhile";
  EXPECT_TRUE(primary.messages().empty());
  EXPECT_EQ(deliverer_->Find(id)->legs[0].state, WaitingLeg::State::kInFlight);
  ownership_.Decide(AnnounceVerdict::kCleared);
  EXPECT_TRUE(RunUntil([&] { return Delivered(id); }));
}

TEST_F(DelivererTest, LeavesWithoutTheDotWhenAHolderStopsIt) {
  ownership_.hold_announcements = true;
  ScriptedPrimary primary;
  RouteTo("a.test", primary.port());
  Start();
  const MessageId id = Put({"u@a.test"}, kSmall);
  ASSERT_TRUE(RunUntil([&] { return !ownership_.held.empty(); }));
  ownership_.Decide(AnnounceVerdict::kStopped);
  ASSERT_TRUE(RunUntil([&] { return ownership_.running.empty(); }));
  RunFor(milliseconds(100));
  EXPECT_TRUE(primary.messages().empty());
  EXPECT_EQ(deliverer_->Totals().messages, 1U) << "kept until the owner says otherwise";
  EXPECT_NE(StateOfOnlyRoute(), cluster::RouteState::kDown) << "not the primary's fault";
  deliverer_->LegsDone(id, {0});
  EXPECT_EQ(deliverer_->Totals().messages, 0U);
}

TEST_F(DelivererTest, LeavesWithoutTheDotWhenLeasesRanOut) {
  ownership_.may_finish = false;
  ScriptedPrimary primary;
  RouteTo("a.test", primary.port());
  Start();
  const MessageId id = Put({"u@a.test"}, kSmall);
  ASSERT_TRUE(RunUntil([&] { return Logged("leases ran out"); }));
  RunFor(milliseconds(100));
  EXPECT_TRUE(primary.messages().empty());
  ownership_.may_finish = true;
  EXPECT_TRUE(RunUntil([&] { return Delivered(id); }));
  EXPECT_EQ(primary.accepted(), 1U);
}

TEST_F(DelivererTest, StartsNothingWithoutLeases) {
  ownership_.may_start = false;
  ScriptedPrimary primary;
  RouteTo("a.test", primary.port());
  Start();
  const MessageId id = Put({"u@a.test"}, kSmall);
  RunFor(seconds(1));
  EXPECT_EQ(ownership_.announcements, 0U);
  EXPECT_LE(primary.connections(), 3) << "no connection after another";
  ownership_.may_start = true;
  EXPECT_TRUE(RunUntil([&] { return Delivered(id); }, seconds(2)));
}

TEST_F(DelivererTest, AbandonsAttemptsOfADroppedSegmentBeforeTheDot) {
  ownership_.hold_announcements = true;
  ScriptedPrimary primary;
  RouteTo("a.test", primary.port());
  Start();
  Put({"u@a.test"}, kSmall);
  ASSERT_TRUE(RunUntil([&] { return !ownership_.held.empty(); }));
  deliverer_->DropSegment(segment_);
  ASSERT_TRUE(RunUntil([&] { return ownership_.running.empty(); }));
  RunFor(milliseconds(100));
  EXPECT_TRUE(primary.messages().empty());
  EXPECT_EQ(deliverer_->Totals().messages, 0U);
}

TEST_F(DelivererTest, LearnsTheReplyBehindTheDotThoughTheSegmentWasDropped) {
  std::atomic<bool> dot_came{false};
  std::atomic<bool> go{false};
  ScriptedPrimary primary(0, [&](int, const std::string& command) {
    if (command == ".") {
      dot_came = true;
      while (!go) std::this_thread::yield();
    }
    return std::string();
  });
  RouteTo("a.test", primary.port());
  Start();
  const MessageId id = Put({"u@a.test"}, kSmall);
  ASSERT_TRUE(RunUntil([&] { return dot_came.load(); }));
  deliverer_->DropSegment(segment_);
  go = true;
  EXPECT_TRUE(RunUntil([&] { return Delivered(id); }));
}

TEST_F(DelivererTest, JudgesEachRecipientAlone) {
  ScriptedPrimary primary(0, [](int, const std::string& command) {
    if (command.find("unknown@") != std::string::npos) return "550 5.1.1 No such user";
    if (command.find("full@") != std::string::npos) return "452 4.2.2 Mailbox full";
    return "";
  });
  RouteTo("a.test", primary.port());
  Start();
  const MessageId id = Put({"unknown@a.test", "known@a.test", "full@a.test"}, kSmall);
  ASSERT_TRUE(RunUntil([&] { return Delivered(id, 1) && ownership_.running.empty(); }));
  RunFor(milliseconds(50));
  EXPECT_EQ(delivered(), 1U);
  EXPECT_THAT(primary.messages().at(0).rcpt_lines, ElementsAre("RCPT TO:<known@a.test>"));
  const auto message = deliverer_->Find(id);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->legs[0].state, WaitingLeg::State::kWaiting) << "5yz is held, never dropped";
  EXPECT_EQ(message->legs[0].last_reply, "550 5.1.1 No such user");
  EXPECT_EQ(message->legs[1].state, WaitingLeg::State::kDone);
  EXPECT_EQ(message->legs[2].attempts, 1U);
  EXPECT_GT(*message->legs[0].next_attempt, BootClock::now() + seconds(40));
  EXPECT_EQ(deliverer_->Domains().at(0).counts.legs, 2U);
}

TEST_F(DelivererTest, SendsTheRestAtOnceWhenTheServerTakesFewerRecipients) {
  std::atomic<int> accepted{0};
  ScriptedPrimary primary(0, [&](int, const std::string& command) {
    if (Is(command, "MAIL")) accepted = 0;
    if (Is(command, "RCPT") && ++accepted > 2) return "452 4.5.3 Too many recipients";
    return "";
  });
  RouteTo("a.test", primary.port());
  Start();
  Put({"1@a.test", "2@a.test", "3@a.test", "4@a.test", "5@a.test"}, kSmall);
  EXPECT_TRUE(RunUntil([&] { return delivered() == 5; }, seconds(5)));
  EXPECT_EQ(primary.accepted(), 3U);
}

TEST_F(DelivererTest, GoesOnWithOtherMessagesWhenOneIsDeferred) {
  ScriptedPrimary primary(0, [](int, const std::string& command) {
    return command.find("grey@") != std::string::npos ? "450 4.2.0 Greylisted" : "";
  });
  RouteTo("a.test", primary.port());
  Start();
  const MessageId grey = Put({"grey@a.test"}, kSmall);
  for (int i = 0; i < 20; ++i) Put({"u@a.test"}, kSmall);
  ASSERT_TRUE(RunUntil([&] { return delivered() == 20; }));
  EXPECT_NE(StateOfOnlyRoute(), cluster::RouteState::kDown);
  EXPECT_EQ(deliverer_->Find(grey)->legs[0].attempts, 1U);
  EXPECT_TRUE(Logged("450 4.2.0 Greylisted"));
}

TEST_F(DelivererTest, DeliversWithinTwoSecondsOfThePortsOpeningAndThenAllTheRest) {
  const uint16_t port = UnusedPort();
  RouteTo("a.test", port);
  Start();
  for (int i = 0; i < 200; ++i) Put({"u@a.test"}, kSmall);
  ASSERT_TRUE(RunUntil([&] { return StateOfOnlyRoute() == cluster::RouteState::kDown; }));
  RunFor(milliseconds(2500));
  EXPECT_THAT(deliverer_->Routes()[0].reason, HasSubstr("refused"));
  const ScriptedPrimary primary(port);
  EXPECT_TRUE(RunUntil([&] { return delivered() > 0; }, seconds(2)));
  EXPECT_TRUE(RunUntil([&] { return delivered() == 200; }, seconds(10)));
  EXPECT_EQ(primary.accepted(), 200U);
}

TEST_F(DelivererTest, SendsTheFirstMessageOverTheConnectionThatProvedTheRoute) {
  ScriptedPrimary primary;
  RouteTo("a.test", primary.port());
  Start();
  Put({"u@a.test"}, kSmall);
  ASSERT_TRUE(RunUntil([&] { return delivered() == 1; }));
  EXPECT_EQ(primary.connections(), 1);
}

TEST_F(DelivererTest, ReusesConnectionsUpToTheirLimitAndNeverOpensMoreThanAllowed) {
  options_.route.max_connections = 4;
  options_.messages_per_connection = 10;
  std::atomic<int> open{0};
  std::atomic<int> most{0};
  ScriptedPrimary primary(0, [&](int, const std::string& command) {
    if (Is(command, "EHLO") && ++open > most) most = open.load();
    if (Is(command, "QUIT")) --open;
    return "";
  });
  RouteTo("a.test", primary.port());
  Start();
  for (int i = 0; i < 100; ++i) Put({"u@a.test"}, kSmall);
  ASSERT_TRUE(RunUntil([&] { return delivered() == 100; }));
  EXPECT_LE(most, 5) << "one that says QUIT may overlap with its successor";
  EXPECT_GE(primary.connections(), 10);
  EXPECT_LE(primary.connections(), 20);
  EXPECT_THAT(primary.commands(), Not(Contains("RSET")));
}

TEST_F(DelivererTest, TakesItCalmlyWhenTheServerClosesAfterEachMessage) {
  ScriptedPrimary primary(0, [](int connection, const std::string& command) {
    static thread_local int mails = 0;
    if (command == "CONNECT") mails = 0;
    (void)connection;
    return Is(command, "MAIL") && ++mails > 1 ? std::string(ScriptedPrimary::kClose)
                                              : std::string();
  });
  RouteTo("a.test", primary.port());
  Start();
  for (int i = 0; i < 30; ++i) Put({"u@a.test"}, kSmall);
  ASSERT_TRUE(RunUntil([&] { return delivered() == 30; }));
  EXPECT_FALSE(Logged("\"state\":\"down\""));
}

TEST_F(DelivererTest, NeverSendsADamagedCopyAndKeepsIt) {
  ScriptedPrimary primary;
  RouteTo("a.test", primary.port());
  Start();
  const std::string content = Large(600000);
  const MessageId id = Store({"u@a.test"}, content);
  std::string damaged = content.substr(256 * 1024, 256 * 1024);
  damaged[damaged.size() / 2] ^= 1;
  Write({spool::PutChunk{segment_, id.seq.value() + 100, 1, MakeBytes(damaged)}});
  deliverer_->Add(id, {"u@a.test"}, content.size(), WallNow());
  ASSERT_TRUE(RunUntil([&] { return Logged("message_damaged"); }));
  RunFor(seconds(1));
  EXPECT_TRUE(primary.messages().empty());
  EXPECT_EQ(ownership_.announcements, 1U) << "not tried over and over";
  EXPECT_EQ(deliverer_->Totals().messages, 1U);
  EXPECT_THAT(metrics_.Serialize(), HasSubstr("fermoposta_messages_damaged_total 1"));
  EXPECT_NE(StateOfOnlyRoute(), cluster::RouteState::kDown);
}

TEST_F(DelivererTest, KeepsAMessageThatItCannotRead) {
  ScriptedPrimary primary;
  RouteTo("a.test", primary.port());
  Start();
  deliverer_->Add(MessageId{segment_, Seq(5000)}, {"u@a.test"}, 10, WallNow());
  ASSERT_TRUE(RunUntil([&] { return Logged("message_damaged"); }));
  RunFor(milliseconds(300));
  EXPECT_EQ(deliverer_->Totals().messages, 1U);
  EXPECT_EQ(ownership_.announcements, 0U);
  Put({"u@a.test"}, kSmall);
  EXPECT_TRUE(RunUntil([&] { return delivered() == 1; })) << "the route is free for others";
}

TEST_F(DelivererTest, NeverSendsABareLineFeed) {
  ScriptedPrimary primary;
  RouteTo("a.test", primary.port());
  Start();
  Put({"u@a.test"}, "a line\r\n.\nMAIL FROM:<smuggled@evil.test>\r\n");
  ASSERT_TRUE(RunUntil([&] { return Logged("message_damaged"); }));
  RunFor(milliseconds(100));
  EXPECT_TRUE(primary.messages().empty());
  EXPECT_THAT(primary.commands(), Not(Contains(HasSubstr("smuggled"))));
}

TEST_F(DelivererTest, DeliversToOneRouteWhileAnotherHangs) {
  ScriptedPrimary slow(0, [](int, const std::string& command) {
    return command == "." ? std::string(ScriptedPrimary::kHang) : std::string();
  });
  ScriptedPrimary quick;
  RouteTo("slow.test", slow.port());
  RouteTo("quick.test", quick.port());
  Start();
  for (int i = 0; i < 20; ++i) {
    Put({"u@slow.test"}, kSmall);
    Put({"u@quick.test"}, kSmall);
  }
  EXPECT_TRUE(RunUntil([&] { return delivered() == 20; }, seconds(5)));
  EXPECT_EQ(quick.accepted(), 20U);
}

TEST_F(DelivererTest, FollowsADomainToItsNewPrimary) {
  RouteTo("a.test", UnusedPort());
  Start();
  Put({"u@a.test"}, kSmall);
  RunFor(milliseconds(200));
  const ScriptedPrimary primary;
  RouteTo("a.test", primary.port());
  EXPECT_TRUE(RunUntil([&] { return delivered() == 1; }, seconds(2)));
}

TEST_F(DelivererTest, KeepsMailOfADomainThatIsNotConfigured) {
  Start();
  const MessageId id = Put({"u@later.test"}, kSmall);
  RunFor(milliseconds(100));
  EXPECT_EQ(deliverer_->Domains().at(0).domain, "later.test");
  ScriptedPrimary primary;
  RouteTo("later.test", primary.port());
  EXPECT_TRUE(RunUntil([&] { return Delivered(id); }));
}

TEST_F(DelivererTest, FinishesWhatIsUnderWayWhenDrained) {
  std::atomic<bool> dot_came{false};
  std::atomic<bool> go{false};
  ScriptedPrimary primary(0, [&](int, const std::string& command) {
    if (command == ".") {
      dot_came = true;
      while (!go) std::this_thread::yield();
    }
    return std::string();
  });
  RouteTo("a.test", primary.port());
  Start();
  for (int i = 0; i < 5; ++i) Put({"u@a.test"}, kSmall);
  ASSERT_TRUE(RunUntil([&] { return dot_came.load(); }));
  bool drained = false;
  net::Spawn(io_.get_executor(), deliverer_->Drain(seconds(10)),
             [&drained](absl::Status) { drained = true; });
  RunFor(milliseconds(100));
  EXPECT_FALSE(drained);
  go = true;
  ASSERT_TRUE(RunUntil([&] { return drained; }, seconds(5)));
  EXPECT_EQ(delivered(), 1U);
  EXPECT_EQ(primary.accepted(), 1U);
  EXPECT_EQ(deliverer_->Totals().messages, 4U);
}

TEST_F(DelivererTest, CountsItsWork) {
  ScriptedPrimary primary;
  RouteTo("a.test", primary.port());
  Start();
  Put({"u@a.test"}, kSmall);
  Put({"u@nowhere.test"}, kSmall);
  ASSERT_TRUE(RunUntil([&] { return delivered() == 1; }));
  RunFor(milliseconds(1200));
  EXPECT_THAT(
      metrics_.Serialize(),
      AllOf(HasSubstr("fermoposta_delivery_attempts_total{class=\"2xx\",result=\"delivered\"} 1"),
            HasSubstr("fermoposta_queue_messages{state=\"waiting\"} 1"),
            HasSubstr("fermoposta_primary_up{domain=\"a.test\"} 1"),
            HasSubstr("fermoposta_delivery_delay_seconds_count{result=\"delivered\"} 1")));
}

}  // namespace
}  // namespace fermo::node
