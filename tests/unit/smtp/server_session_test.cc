#include "lib/smtp/server_session.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/smtp/server_driver.h"

namespace fermo::smtp {
namespace {

const std::string kHello = "EHLO client.test\r\n";
const std::string kEnvelope = "MAIL FROM:<a@b.test>\r\nRCPT TO:<anna@example.test>\r\n";

std::string Lines(size_t octets) {
  std::string text;
  while (text.size() < octets) text += "The quick brown fox jumps over the lazy dog, again.\r\n";
  text.resize(octets - 2);
  if (text.back() == '\r') text.back() = 'x';
  return text + "\r\n";
}

std::string WithoutReceived(const std::string& content) {
  size_t end = content.find("\r\n");
  while (end != std::string::npos && end + 2 < content.size() && content[end + 2] == '\t') {
    end = content.find("\r\n", end + 2);
  }
  return end == std::string::npos ? content : content.substr(end + 2);
}

TEST(ServerSession, StoresEnvelopeAndContentUnchangedBelowOneReceivedField) {
  ServerDriver driver;
  driver.Send(kHello +
              "MAIL FROM:<a@b.test> SIZE=20 BODY=8BITMIME\r\nRCPT TO:<Anna@Example.Test>\r\n"
              "RCPT TO:<ugo@example.test>\r\nDATA\r\nno header\r\n..dot\r\n\xc3\xa9\r\n.\r\n");
  ASSERT_EQ(driver.stored().size(), 1u);
  const StoredMessage& message = driver.stored()[0];
  EXPECT_EQ(message.envelope.reverse_path, "a@b.test");
  EXPECT_EQ(message.envelope.forward_paths,
            (std::vector<std::string>{"Anna@example.test", "ugo@example.test"}));
  EXPECT_EQ(message.envelope.body, BodyType::k8BitMime);
  EXPECT_EQ(message.envelope.declared_size, 20u);
  EXPECT_EQ(message.envelope.helo, "client.test");
  EXPECT_EQ(message.content,
            "Received: from client.test ([192.0.2.7])\r\n"
            "\tby mx.backup.example with ESMTP id s1.1;\r\n"
            "\tMon, 24 Nov 2025 16:00:00 +0000\r\n"
            "no header\r\n.dot\r\n\xc3\xa9\r\n");
  EXPECT_EQ(driver.violation(), "");
}

TEST(ServerSession, AnswersTheSameForEveryCutOfTheInput) {
  const std::string input = kHello + "NOOP\r\nbad\nline\r\n" + kEnvelope +
                            "DATA\r\nSubject: x\r\n\r\n..a\r\n.\r\n" + kEnvelope +
                            "DATA\r\na\nb\r\n.\r\nRSET\r\n" + std::string(5000, 'x') +
                            "\r\nNOOP\r\nQUIT\r\nNOOP\r\n";
  ServerDriver whole;
  whole.Send(input);
  const std::string replies = whole.TakeReplies();
  EXPECT_TRUE(whole.closed());
  EXPECT_EQ(whole.abandoned(), 1u);
  for (size_t cut = 0; cut <= input.size(); ++cut) {
    ServerDriver driver;
    driver.Send(std::string_view(input).substr(0, cut));
    driver.Send(std::string_view(input).substr(cut));
    ASSERT_EQ(driver.TakeReplies(), replies) << cut;
    ASSERT_EQ(driver.stored().size(), 1u) << cut;
    ASSERT_EQ(driver.stored()[0].content, whole.stored()[0].content) << cut;
    ASSERT_EQ(driver.violation(), "") << cut;
  }
  for (size_t size : {1, 2, 3, 7, 100}) {
    ServerDriver driver;
    driver.SendInPieces(input, size);
    EXPECT_EQ(driver.TakeReplies(), replies) << size;
  }
}

TEST(ServerSession, LargeContentLeavesInBoundedPieces) {
  ServerDriver driver;
  const std::string content = Lines(900000);
  driver.Send(kHello + kEnvelope + "DATA\r\n");
  driver.SendInPieces(content, 65536);
  driver.Send(".\r\n");
  ASSERT_EQ(driver.stored().size(), 1u);
  EXPECT_EQ(WithoutReceived(driver.stored()[0].content), content);
  EXPECT_LE(driver.largest_piece(), kMaxContentChunk);
  EXPECT_GT(driver.largest_piece(), kMaxContentChunk - 16);
}

TEST(ServerSession, ContentOfAnyLengthAroundAPieceArrivesWhole) {
  for (size_t length = kMaxContentChunk - 260; length < kMaxContentChunk - 130; ++length) {
    ServerDriver driver;
    const std::string content = Lines(length);
    driver.Send(kHello + kEnvelope + "DATA\r\n");
    driver.Send(content + ".\r\nQUIT\r\n");
    ASSERT_EQ(driver.stored().size(), 1u);
    ASSERT_EQ(WithoutReceived(driver.stored()[0].content), content);
    ASSERT_LE(driver.largest_piece(), kMaxContentChunk);
    ASSERT_TRUE(driver.closed());
  }
}

TEST(ServerSession, SizeIsEnforcedOnRealOctetsAndTheRestSwallowed) {
  ServerDriver driver;
  driver.Send(kHello + kEnvelope + "DATA\r\n");
  driver.TakeReplies();
  driver.Send(Lines(1000000) + ".\r\n");
  EXPECT_EQ(driver.TakeReplies(), "250 2.0.0 Ok: queued as id-1\r\n");
  driver.Send(kEnvelope + "DATA\r\n");
  driver.TakeReplies();
  driver.Send(Lines(1000001));
  EXPECT_EQ(driver.abandoned(), 1u);
  EXPECT_EQ(driver.TakeReplies(), "");
  driver.Send(Lines(500000) + ".\r\nNOOP\r\n");
  EXPECT_EQ(driver.TakeReplies(),
            "552 5.3.4 Message is larger than 1000000 octets\r\n250 2.0.0 Ok\r\n");
  EXPECT_EQ(driver.stored().size(), 1u);
}

TEST(ServerSession, AFailedWriteSwallowsTheRestAndDefers) {
  ServerDriver driver;
  driver.write_status = absl::UnavailableError("node gone");
  driver.Send(kHello + kEnvelope + "DATA\r\n");
  driver.TakeReplies();
  driver.Send(Lines(700000) + ".\r\n");
  EXPECT_EQ(driver.TakeReplies().substr(0, 9), "451 4.3.0");
  EXPECT_EQ(driver.abandoned(), 0u);
  driver.write_status = absl::OkStatus();
  driver.Send(kEnvelope + "DATA\r\nok\r\n.\r\n");
  EXPECT_EQ(driver.stored().size(), 1u);
  EXPECT_EQ(driver.violation(), "");
}

TEST(ServerSession, AMessageThatWasNotMadeSafeIsNeverAnswered250) {
  ServerDriver driver;
  driver.commit_status = absl::ResourceExhaustedError("disk");
  driver.Send(kHello + kEnvelope + "DATA\r\n");
  driver.TakeReplies();
  driver.Send("x\r\n.\r\n");
  EXPECT_EQ(driver.TakeReplies().substr(0, 9), "452 4.3.1");
  driver.open_status = absl::UnavailableError("no node");
  driver.Send(kEnvelope);
  driver.TakeReplies();
  driver.Send("DATA\r\n");
  EXPECT_EQ(driver.TakeReplies().substr(0, 9), "451 4.3.0");
}

TEST(ServerSession, AHundredReceivedFieldsAreALoopAndNinetyNineAreNot) {
  std::string fields;
  for (int i = 0; i < 99; ++i) fields += "Received: from somewhere\r\n";
  ServerDriver driver;
  driver.Send(kHello + kEnvelope + "DATA\r\n" + fields + "\r\nbody\r\n.\r\n");
  EXPECT_EQ(driver.stored().size(), 1u);
  driver.Send(kEnvelope + "DATA\r\n");
  driver.TakeReplies();
  driver.Send(fields + "Received: once more\r\n\r\nbody\r\n.\r\n");
  EXPECT_EQ(driver.TakeReplies(), "554 5.4.6 Too many Received fields: the message loops\r\n");
}

TEST(ServerSession, TakesAThousandRecipientsAndDefersTheNext) {
  ServerDriver driver;
  driver.Send(kHello + "MAIL FROM:<>\r\n");
  for (int i = 0; i < 1000; ++i) {
    driver.Send("RCPT TO:<u" + std::to_string(i) + "@example.test>\r\n");
  }
  driver.TakeReplies();
  driver.Send("RCPT TO:<late@example.test>\r\nRCPT TO:<u7@example.test>\r\n");
  EXPECT_EQ(driver.TakeReplies(), "452 4.5.3 Too many recipients\r\n250 2.1.5 Ok\r\n");
  driver.Send("DATA\r\nx\r\n.\r\n");
  ASSERT_EQ(driver.stored().size(), 1u);
  EXPECT_EQ(driver.stored()[0].envelope.forward_paths.size(), 1000u);
}

TEST(ServerSession, APathThatNoRecordHoldsIsRefusedAlone) {
  ServerDriver driver;
  driver.Send("EHLO client.test\r\nMAIL FROM:<a@sender.test>\r\n");
  driver.TakeReplies();
  std::string quoted;  // each two octets on the wire, four when printed at worst
  for (int i = 0; i < 255; ++i) quoted += "\\\"";
  driver.Send("RCPT TO:<\"" + quoted + "\"@example.test>\r\nRCPT TO:<b@example.test>\r\n");
  const std::string replies = driver.TakeReplies();
  EXPECT_EQ(replies.substr(0, 9), "501 5.1.3") << replies;
  EXPECT_NE(replies.find("250 2.1.5"), std::string::npos) << replies;
  driver.Send("RSET\r\nMAIL FROM:<\"" + quoted + "\"@example.test>\r\n");
  const std::string refused = driver.TakeReplies();
  EXPECT_NE(refused.find("501 5.1.7"), std::string::npos) << refused;
}

TEST(ServerSession, LinesUpToTheLimitAreTakenAndLongerOnesRefusedOnce) {
  ServerDriver driver;
  driver.TakeReplies();
  driver.Send("NOOP " + std::string(4091, 'x') + "\r\n");
  EXPECT_EQ(driver.TakeReplies(), "250 2.0.0 Ok\r\n");
  driver.Send("NOOP " + std::string(4092, 'x') + "\r\n");
  EXPECT_EQ(driver.TakeReplies(), "500 5.5.2 Line too long\r\n");
  driver.SendInPieces(std::string(10000, 'x') + "\r\nQUIT\r\n", 999);
  EXPECT_EQ(driver.TakeReplies(),
            "500 5.5.2 Line too long\r\n221 2.0.0 mx.backup.example Goodbye\r\n");
}

TEST(ServerSession, AnEndlessLineIsCutOff) {
  ServerDriver driver;
  driver.TakeReplies();
  for (int i = 0; i < 100 && !driver.closed(); ++i) driver.Send(std::string(1000, 'x'));
  EXPECT_TRUE(driver.closed());
  EXPECT_EQ(driver.TakeReplies().substr(0, 9), "421 4.7.0");
}

TEST(ServerSession, ErrorsAreBudgetedUntilAMessageIsAccepted) {
  ServerDriver driver;
  driver.Send(kHello);
  for (int i = 0; i < 15; ++i) driver.Send("FOO\r\n");
  driver.Send(kEnvelope + "DATA\r\nx\r\n.\r\n");
  for (int i = 0; i < 20; ++i) driver.Send("FOO\r\n");
  EXPECT_FALSE(driver.closed());
  driver.TakeReplies();
  driver.Send("FOO\r\nNOOP\r\n");
  EXPECT_TRUE(driver.closed());
  EXPECT_EQ(driver.TakeReplies(), "421 4.7.0 mx.backup.example Too many errors, closing\r\n");
}

TEST(ServerSession, CommandsThatLeadNowhereAreBudgetedToo) {
  ServerDriver driver;
  for (int i = 0; i < 120; ++i) driver.Send("NOOP\r\n");
  EXPECT_FALSE(driver.closed());
  driver.Send("NOOP\r\n");
  EXPECT_TRUE(driver.closed());
}

TEST(ServerSession, DrainAnswers421AtOnceWhenIdleAndBehindARunningMessage) {
  ServerDriver idle;
  idle.TakeReplies();
  idle.Drain();
  EXPECT_TRUE(idle.closed());
  EXPECT_EQ(idle.TakeReplies(), "421 4.3.2 mx.backup.example Going down, please try again\r\n");
  ServerDriver busy;
  busy.Send(kHello + kEnvelope + "DATA\r\nx\r\n");
  busy.TakeReplies();
  busy.Drain();
  EXPECT_FALSE(busy.closed());
  busy.Send(".\r\n");
  EXPECT_TRUE(busy.closed());
  EXPECT_EQ(busy.TakeReplies(),
            "250 2.0.0 Ok: queued as id-1\r\n"
            "421 4.3.2 mx.backup.example Going down, please try again\r\n");
}

TEST(ServerSession, SilenceEndsIn421AndKeepsNothing) {
  ServerDriver driver;
  driver.Send(kHello + kEnvelope + "DATA\r\npart");
  driver.TakeReplies();
  driver.Timeout();
  EXPECT_TRUE(driver.closed());
  EXPECT_EQ(driver.TakeReplies().substr(0, 9), "421 4.4.2");
  EXPECT_TRUE(driver.stored().empty());
}

TEST(ServerSession, ABadMessageIsToldAsSuchEvenWhenTheBudgetIsSpent) {
  ServerDriver driver;
  driver.Send(kHello + kEnvelope);
  for (int i = 0; i < 20; ++i) driver.Send("FOO\r\n");
  driver.Send("DATA\r\n");
  driver.TakeReplies();
  driver.Send("a\nb\r\n.\r\n");
  EXPECT_EQ(driver.TakeReplies().substr(0, 9), "554 5.6.0");
}

// Attacks A1 and A7: whatever separates the smuggled commands, one message is
// refused once and the commands are never run.
TEST(ServerSession, SmuggledCommandsAreNeverRun) {
  using namespace std::string_literals;
  for (const std::string& end :
       {"\n.\n"s, "\n.\r\n"s, "\r\n.\n"s, "\r.\r"s, "\r.\n"s, "\n.\r"s, "\r.\r\n"s, "\r\n\0.\r\n"s,
        "\r\n.\0\r\n"s, "\r\n.\r\r\n"s, "\r\r\n.\r\r\n"s}) {
    for (size_t size : {1, 5, 1000}) {
      ServerDriver driver;
      driver.Send(kHello + kEnvelope + "DATA\r\n");
      driver.TakeReplies();
      driver.SendInPieces("text" + end +
                              "MAIL FROM:<evil@b.test>\r\nRCPT TO:<ugo@example.test>\r\nDATA\r\n"
                              "evil\r\n.\r\nNOOP\r\n",
                          size);
      EXPECT_EQ(driver.TakeReplies(),
                "554 5.6.0 Message holds a bare CR, a bare LF or a NUL\r\n250 2.0.0 Ok\r\n");
      EXPECT_TRUE(driver.stored().empty());
      EXPECT_EQ(driver.abandoned(), 1u);
    }
  }
}

}  // namespace
}  // namespace fermo::smtp
