#include "lib/smtp/client_session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace fermo::smtp {
namespace {

constexpr char kPlainHello[] = "250-primary.test\r\n250-SIZE 1000000\r\n250 8BITMIME\r\n";
constexpr char kPipelinedHello[] =
    "250-primary.test\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250 8BITMIME\r\n";

ClientSession Greeted(std::string_view hello) {
  ClientOptions options;
  options.helo_name = "node.test";
  ClientSession session(options);
  session.Receive("220 primary.test ESMTP\r\n");
  session.TakeOutput();
  session.Receive(hello);
  return session;
}

ClientTransaction Mail(std::vector<std::string> forward_paths, BodyType body = BodyType::k7Bit) {
  ClientTransaction transaction;
  transaction.reverse_path = "a@b.test";
  transaction.forward_paths = std::move(forward_paths);
  transaction.size = 100;
  transaction.body = body;
  return transaction;
}

std::vector<RecipientVerdict> Verdicts(ClientSession& session) {
  std::vector<RecipientVerdict> verdicts;
  const auto result = session.TakeResult();
  if (!result) return verdicts;
  for (const RecipientResult& recipient : result->recipients) verdicts.push_back(recipient.verdict);
  return verdicts;
}
using V = RecipientVerdict;

TEST(ClientSession, GreetsAndLearnsTheExtensions) {
  ClientOptions options;
  options.helo_name = "node.test";
  ClientSession session(options);
  EXPECT_EQ(session.phase(), ClientPhase::kGreeting);
  EXPECT_EQ(session.stage(), ClientStage::kGreeting);
  EXPECT_FALSE(session.HasOutput());
  session.Receive("220-primary.test\r\n220 ESMTP\r\n");
  EXPECT_EQ(session.TakeOutput(), "EHLO node.test\r\n");
  EXPECT_EQ(session.stage(), ClientStage::kHello);
  session.Receive("250-primary.test\r\n250-pipelining\r\n250-SIZE 99999999999999999999\r\n");
  EXPECT_EQ(session.phase(), ClientPhase::kHello);
  session.Receive("250-STARTTLS\r\n250-X-OTHER a b\r\n250 DSN\r\n");
  EXPECT_EQ(session.phase(), ClientPhase::kReady);
  EXPECT_TRUE(session.extensions().pipelining);
  EXPECT_TRUE(session.extensions().size);
  EXPECT_EQ(session.extensions().max_size, UINT64_MAX);
  EXPECT_TRUE(session.extensions().starttls);
  EXPECT_TRUE(session.extensions().dsn);
  EXPECT_FALSE(session.extensions().eight_bit_mime);
  EXPECT_EQ(session.greeting().lines[0], "primary.test");
}

TEST(ClientSession, FallsBackToHelo) {
  ClientOptions options;
  options.helo_name = "node.test";
  ClientSession session(options);
  session.Receive("220 old.test\r\n");
  session.TakeOutput();
  session.Receive("502 what?\r\n");
  EXPECT_EQ(session.TakeOutput(), "HELO node.test\r\n");
  session.Receive("250 old.test\r\n");
  EXPECT_EQ(session.phase(), ClientPhase::kReady);
  session.StartTransaction(Mail({"x@y.test"}));
  EXPECT_EQ(session.TakeOutput(), "MAIL FROM:<a@b.test>\r\n");
}

TEST(ClientSession, ARefusedGreetingOrHelloIsTheRoutesTrouble) {
  for (const char* greeting :
       {"421 busy\r\n", "554 no\r\n", "521 never\r\n", "354 odd\r\n", "SSH-2.0-OpenSSH\r\n"}) {
    ClientSession session(ClientOptions{});
    session.Receive(greeting);
    EXPECT_EQ(session.phase(), ClientPhase::kEnded) << greeting;
    ASSERT_TRUE(session.failure().has_value());
    EXPECT_EQ(session.failure()->stage, ClientStage::kGreeting);
  }
  ClientSession session(ClientOptions{});
  session.Receive("220 hi\r\n");
  session.Receive("550 no\r\n");
  session.Receive("550 no\r\n");
  EXPECT_EQ(session.phase(), ClientPhase::kEnded);
  EXPECT_EQ(session.failure()->stage, ClientStage::kHello);
  EXPECT_EQ(session.failure()->reply->code, 550);
}

TEST(ClientSession, DeliversStepByStepWithoutPipelining) {
  ClientSession session = Greeted(kPlainHello);
  session.StartTransaction(Mail({"x@y.test", "z@y.test"}, BodyType::k8BitMime));
  EXPECT_EQ(session.TakeOutput(), "MAIL FROM:<a@b.test> SIZE=100 BODY=8BITMIME\r\n");
  EXPECT_EQ(session.stage(), ClientStage::kMail);
  session.Receive("250 ok\r\n");
  EXPECT_EQ(session.TakeOutput(), "RCPT TO:<x@y.test>\r\n");
  session.Receive("250 ok\r\n");
  EXPECT_EQ(session.TakeOutput(), "RCPT TO:<z@y.test>\r\n");
  EXPECT_EQ(session.stage(), ClientStage::kRcpt);
  session.Receive("250 ok\r\n");
  EXPECT_EQ(session.TakeOutput(), "DATA\r\n");
  EXPECT_EQ(session.stage(), ClientStage::kData);
  session.Receive("354 go\r\n");
  EXPECT_EQ(session.phase(), ClientPhase::kContent);
  ASSERT_TRUE(session.AddContent("Subject: x\r\n\r\n.d").ok());
  ASSERT_TRUE(session.AddContent("ot").ok());
  EXPECT_EQ(session.TakeOutput(), "Subject: x\r\n\r\n..dot");
  EXPECT_FALSE(session.final_dot_sent());
  ASSERT_TRUE(session.SendFinalDot().ok());
  EXPECT_TRUE(session.final_dot_sent());
  EXPECT_EQ(session.TakeOutput(), "\r\n.\r\n");
  EXPECT_EQ(session.stage(), ClientStage::kFinalDot);
  session.Receive("250 2.0.0 queued as 17\r\n");
  EXPECT_EQ(session.phase(), ClientPhase::kReady);
  const auto result = session.TakeResult();
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(result->connection_usable);
  ASSERT_EQ(result->recipients.size(), 2u);
  EXPECT_EQ(result->recipients[1].verdict, V::kDelivered);
  EXPECT_EQ(OneLine(*result->recipients[1].reply), "250 2.0.0 queued as 17");
  EXPECT_FALSE(session.TakeResult().has_value());
}

TEST(ClientSession, SendsTheWholeEnvelopeAtOnceWherePipeliningIsOffered) {
  ClientSession session = Greeted(kPipelinedHello);
  session.StartTransaction(Mail({"x@y.test", "z@y.test"}));
  EXPECT_EQ(session.TakeOutput(),
            "MAIL FROM:<a@b.test> SIZE=100 BODY=7BIT\r\nRCPT TO:<x@y.test>\r\n"
            "RCPT TO:<z@y.test>\r\nDATA\r\n");
  session.Receive("250 ok\r\n550 5.1.1 no such user\r\n250 ok\r\n354 go\r\n");
  EXPECT_EQ(session.phase(), ClientPhase::kContent);
  ASSERT_TRUE(session.AddContent("x\r\n").ok());
  ASSERT_TRUE(session.SendFinalDot().ok());
  session.Receive("250 ok\r\n");
  EXPECT_EQ(Verdicts(session), (std::vector<V>{V::kRejected, V::kDelivered}));
}

TEST(ClientSession, SeveralTransactionsUseOneConnectionAndResetOnlyWhereOwed) {
  ClientSession session = Greeted(kPipelinedHello);
  session.StartTransaction(Mail({"x@y.test"}));
  session.TakeOutput();
  session.Receive("250 ok\r\n450 later\r\n554 no recipients\r\n");
  EXPECT_EQ(session.phase(), ClientPhase::kReady);
  EXPECT_EQ(Verdicts(session), (std::vector<V>{V::kDeferred}));
  session.StartTransaction(Mail({"z@y.test"}));
  EXPECT_EQ(session.TakeOutput().substr(0, 10), "RSET\r\nMAIL");
  session.Receive("250 reset\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  ASSERT_TRUE(session.SendFinalDot().ok());
  session.TakeOutput();
  session.Receive("250 ok\r\n");
  EXPECT_EQ(Verdicts(session), (std::vector<V>{V::kDelivered}));
  session.StartTransaction(Mail({"w@y.test"}));
  EXPECT_EQ(session.TakeOutput().substr(0, 4), "MAIL");
}

TEST(ClientSession, ADataThatNobodyReceivesIsEndedWithALoneDot) {
  ClientSession session = Greeted(kPipelinedHello);
  session.StartTransaction(Mail({"x@y.test"}));
  session.TakeOutput();
  session.Receive("250 ok\r\n550 no\r\n354 go\r\n");
  EXPECT_EQ(session.TakeOutput(), ".\r\n");
  EXPECT_FALSE(session.final_dot_sent());
  session.Receive("554 nobody\r\n");
  EXPECT_EQ(session.phase(), ClientPhase::kReady);
  const auto result = session.TakeResult();
  EXPECT_EQ(result->recipients[0].verdict, V::kRejected);
  EXPECT_EQ(result->recipients[0].reply->code, 550);
}

TEST(ClientSession, ARefusedMailDecidesAllAndLaterRepliesChangeNothing) {
  ClientSession session = Greeted(kPipelinedHello);
  session.StartTransaction(Mail({"x@y.test", "z@y.test"}));
  session.Receive("552 5.3.4 too big\r\n503 no mail\r\n503 no mail\r\n503 no mail\r\n");
  const auto result = session.TakeResult();
  ASSERT_TRUE(result.has_value());
  for (const RecipientResult& recipient : result->recipients) {
    EXPECT_EQ(recipient.verdict, V::kRejected);
    EXPECT_EQ(recipient.stage, ClientStage::kMail);
    EXPECT_EQ(recipient.reply->code, 552);
  }
  EXPECT_TRUE(result->connection_usable);
}

TEST(ClientSession, RepliesAreJudgedByTheirFirstDigit) {
  for (const auto& [reply, verdict] : {std::pair{"299 odd\r\n", V::kDelivered},
                                       {"451 no\r\n", V::kDeferred},
                                       {"499 odd\r\n", V::kDeferred},
                                       {"554 no\r\n", V::kRejected},
                                       {"599\r\n", V::kRejected}}) {
    ClientSession session = Greeted(kPlainHello);
    session.StartTransaction(Mail({"x@y.test"}));
    session.Receive("250 ok\r\n");
    session.Receive("251 will forward\r\n");
    session.Receive("354 go\r\n");
    ASSERT_TRUE(session.SendFinalDot().ok());
    session.Receive(reply);
    EXPECT_EQ(Verdicts(session), (std::vector<V>{verdict})) << reply;
  }
}

TEST(ClientSession, TooManyRecipientsGoIntoTheNextTransaction) {
  ClientSession session = Greeted(kPipelinedHello);
  session.StartTransaction(Mail({"a@y.test", "b@y.test", "c@y.test", "d@y.test", "e@y.test"}));
  session.Receive(
      "250 ok\r\n250 ok\r\n452 4.5.3 too many\r\n552 too many\r\n452 4.2.2 full\r\n"
      "552 5.2.2 full\r\n354 go\r\n");
  ASSERT_TRUE(session.SendFinalDot().ok());
  session.Receive("250 ok\r\n");
  EXPECT_EQ(Verdicts(session), (std::vector<V>{V::kDelivered, V::kNextTransaction,
                                               V::kNextTransaction, V::kDeferred, V::kRejected}));
  session.StartTransaction(Mail({"a@y.test"}));
  session.Receive("250 ok\r\n452 4.5.3 none at all\r\n503 no\r\n");
  EXPECT_EQ(Verdicts(session), (std::vector<V>{V::kDeferred}));
}

TEST(ClientSession, A421AnywhereDefersWhatIsUndecided) {
  ClientSession session = Greeted(kPipelinedHello);
  session.StartTransaction(Mail({"x@y.test", "z@y.test"}));
  session.Receive("250 ok\r\n550 no\r\n421 4.3.2 going down\r\n");
  EXPECT_EQ(session.phase(), ClientPhase::kEnded);
  const auto result = session.TakeResult();
  ASSERT_TRUE(result.has_value());
  EXPECT_FALSE(result->connection_usable);
  EXPECT_EQ(result->recipients[0].verdict, V::kRejected);
  EXPECT_EQ(result->recipients[1].verdict, V::kDeferred);
  EXPECT_EQ(result->recipients[1].reply->code, 421);
  ClientSession idle = Greeted(kPlainHello);
  idle.Receive("421 too idle\r\n");
  EXPECT_EQ(idle.phase(), ClientPhase::kEnded);
}

TEST(ClientSession, SilenceBehindTheFinalDotLeavesTheMessageUnknown) {
  for (const char* ending : {"", "garbage\r\n", "150 hm\r\n"}) {
    ClientSession session = Greeted(kPlainHello);
    session.StartTransaction(Mail({"x@y.test"}));
    session.Receive("250 ok\r\n");
    session.Receive("250 ok\r\n");
    session.Receive("354 go\r\n");
    ASSERT_TRUE(session.SendFinalDot().ok());
    session.Receive(ending);
    session.ConnectionLost("end of file");
    EXPECT_EQ(Verdicts(session), (std::vector<V>{V::kUnknown})) << ending;
    EXPECT_EQ(session.failure()->stage, ClientStage::kFinalDot);
  }
}

TEST(ClientSession, A421AtTheFinalDotIsAnAnswer) {
  ClientSession session = Greeted(kPlainHello);
  session.StartTransaction(Mail({"x@y.test"}));
  session.Receive("250 ok\r\n");
  session.Receive("250 ok\r\n");
  session.Receive("354 go\r\n");
  ASSERT_TRUE(session.SendFinalDot().ok());
  session.Receive("421 later\r\n");
  EXPECT_EQ(Verdicts(session), (std::vector<V>{V::kDeferred}));
}

TEST(ClientSession, LossBeforeTheFinalDotDefers) {
  ClientSession session = Greeted(kPlainHello);
  session.StartTransaction(Mail({"x@y.test"}));
  session.Receive("250 ok\r\n");
  session.Receive("250 ok\r\n");
  session.Receive("354 go\r\n");
  ASSERT_TRUE(session.AddContent("half").ok());
  session.Receive("451 changed my mind\r\n");
  EXPECT_EQ(session.phase(), ClientPhase::kEnded);
  EXPECT_EQ(Verdicts(session), (std::vector<V>{V::kDeferred}));
}

TEST(ClientSession, APrimaryWithout8BitMimeIsItsOwnResult) {
  ClientSession session = Greeted("250-primary.test\r\n250 SIZE\r\n");
  session.StartTransaction(Mail({"x@y.test"}, BodyType::k8BitMime));
  EXPECT_FALSE(session.HasOutput());
  EXPECT_EQ(session.phase(), ClientPhase::kReady);
  const auto result = session.TakeResult();
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(result->connection_usable);
  EXPECT_EQ(result->recipients[0].verdict, V::kNeeds8BitMime);
}

TEST(ClientSession, ContentThatCouldSmuggleIsNeverSent) {
  ClientSession session = Greeted(kPlainHello);
  session.StartTransaction(Mail({"x@y.test"}));
  session.Receive("250 ok\r\n");
  session.Receive("250 ok\r\n");
  session.Receive("354 go\r\n");
  session.TakeOutput();
  EXPECT_FALSE(session.AddContent("a\n.\nMAIL").ok());
  EXPECT_EQ(session.phase(), ClientPhase::kEnded);
  EXPECT_FALSE(session.HasOutput());
  EXPECT_EQ(Verdicts(session), (std::vector<V>{V::kDeferred}));
}

TEST(ClientSession, PathsThatCouldEndALineAreNeverSent) {
  ClientSession session = Greeted(kPipelinedHello);
  session.StartTransaction(Mail({"x@y.test>\r\nDATA", "z@y.test"}));
  EXPECT_EQ(session.TakeOutput(),
            "MAIL FROM:<a@b.test> SIZE=100 BODY=7BIT\r\nRCPT TO:<z@y.test>\r\nDATA\r\n");
  session.Receive("250 ok\r\n250 ok\r\n354 go\r\n");
  ASSERT_TRUE(session.SendFinalDot().ok());
  session.Receive("250 ok\r\n");
  EXPECT_EQ(Verdicts(session), (std::vector<V>{V::kRejected, V::kDelivered}));
  ClientTransaction bad = Mail({"z@y.test"});
  bad.reverse_path = "a@b.test>\r\nRCPT TO:<evil@y.test";
  session.TakeOutput();
  session.StartTransaction(bad);
  EXPECT_FALSE(session.HasOutput());
  EXPECT_EQ(Verdicts(session), (std::vector<V>{V::kRejected}));
}

TEST(ClientSession, TheWindowOfUnansweredCommandsIsBounded) {
  ClientSession session = Greeted(kPipelinedHello);
  std::vector<std::string> many;
  for (int i = 0; i < 500; ++i) many.push_back("u" + std::to_string(i) + "@y.test");
  session.StartTransaction(Mail(many));
  size_t sent = 0;
  while (session.phase() == ClientPhase::kEnvelope) {
    const std::string output = session.TakeOutput();
    ASSERT_LE(output.size(), 8192u);
    const size_t commands = std::count(output.begin(), output.end(), '\n');
    ASSERT_LE(commands, 50u);
    ASSERT_GT(commands, 0u);
    sent += commands;
    for (size_t i = 0; i < commands; ++i) {
      session.Receive(output.ends_with("DATA\r\n") && i + 1 == commands ? "354 go\r\n"
                                                                        : "250 ok\r\n");
    }
  }
  EXPECT_EQ(sent, 502u);
  EXPECT_EQ(session.phase(), ClientPhase::kContent);
}

TEST(ClientSession, AReplyThatNothingAskedForEndsTheSession) {
  ClientSession session = Greeted(kPlainHello);
  session.Receive("250 surprise\r\n");
  EXPECT_EQ(session.phase(), ClientPhase::kEnded);
  EXPECT_TRUE(session.failure().has_value());
}

TEST(ClientSession, ResetProvesAKeptConnectionAndQuitEndsIt) {
  ClientSession session = Greeted(kPlainHello);
  session.Reset();
  EXPECT_EQ(session.TakeOutput(), "RSET\r\n");
  EXPECT_EQ(session.phase(), ClientPhase::kReset);
  session.Receive("250 ok\r\n");
  EXPECT_EQ(session.phase(), ClientPhase::kReady);
  session.Quit();
  EXPECT_EQ(session.TakeOutput(), "QUIT\r\n");
  session.Receive("221 bye\r\n");
  EXPECT_EQ(session.phase(), ClientPhase::kEnded);
  EXPECT_FALSE(session.failure().has_value());
  ClientSession gone = Greeted(kPlainHello);
  gone.Quit();
  gone.ConnectionLost("end of file");
  EXPECT_FALSE(gone.failure().has_value());
}

TEST(ClientSession, TimeoutsAreThoseOfTheStandard) {
  EXPECT_EQ(StandardTimeout(ClientStage::kGreeting), std::chrono::minutes(5));
  EXPECT_EQ(StandardTimeout(ClientStage::kData), std::chrono::minutes(2));
  EXPECT_EQ(StandardTimeout(ClientStage::kContent), std::chrono::minutes(3));
  EXPECT_EQ(StandardTimeout(ClientStage::kFinalDot), std::chrono::minutes(10));
}

}  // namespace
}  // namespace fermo::smtp
