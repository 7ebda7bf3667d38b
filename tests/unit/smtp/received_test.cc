#include "lib/smtp/received.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace fermo::smtp {
namespace {

TraceInfo Info() {
  TraceInfo info;
  info.helo = "client.test";
  info.client_address = "192.0.2.7";
  info.hostname = "mx.backup.example";
  info.id = "s1.1";
  info.at = WallTime(std::chrono::milliseconds(1764000000123));
  return info;
}

TEST(Received, NamesClientHostProtocolIdAndDate) {
  EXPECT_EQ(ReceivedField(Info()),
            "Received: from client.test ([192.0.2.7])\r\n"
            "\tby mx.backup.example with ESMTP id s1.1;\r\n"
            "\tMon, 24 Nov 2025 16:00:00 +0000\r\n");
}

TEST(Received, NamesTheRecipientOnlyWhenItIsAlone) {
  TraceInfo info = Info();
  info.extended = false;
  info.client_address = "2001:db8::1";
  info.single_recipient = "anna@example.test";
  EXPECT_EQ(ReceivedField(info),
            "Received: from client.test ([IPv6:2001:db8::1])\r\n"
            "\tby mx.backup.example with SMTP id s1.1\r\n"
            "\tfor <anna@example.test>;\r\n"
            "\tMon, 24 Nov 2025 16:00:00 +0000\r\n");
  info.single_recipient = std::string(990, 'x');
  EXPECT_EQ(ReceivedField(info).find("for <"), std::string::npos);
}

TEST(Received, DatesAreThoseOfMail) {
  EXPECT_EQ(MailDate(WallTime(std::chrono::milliseconds(0))), "Thu, 01 Jan 1970 00:00:00 +0000");
  EXPECT_EQ(MailDate(WallTime(std::chrono::milliseconds(1709210096999))),
            "Thu, 29 Feb 2024 12:34:56 +0000");
}

size_t Count(std::string_view text, size_t piece = 1000000) {
  ReceivedCounter counter;
  for (size_t i = 0; i < text.size(); i += piece) counter.Scan(text.substr(i, piece));
  return counter.count();
}

TEST(ReceivedCounter, CountsFieldsOfTheHeaderOnlyForEveryCut) {
  const std::string text =
      "Received: a\r\n\tReceived: folded\r\nRECEIVED:b\r\nreceived : c\r\nReceived-SPF: no\r\n"
      "X-Received: no\r\nRe\r\nSubject: Received: no\r\nReceived\r\n\r\nReceived: in the body\r\n";
  for (size_t piece = 1; piece <= text.size(); ++piece) EXPECT_EQ(Count(text, piece), 3u) << piece;
}

TEST(ReceivedCounter, ContentWithoutHeaderHasNone) {
  EXPECT_EQ(Count("\r\nReceived: x\r\n"), 0u);
  EXPECT_EQ(Count(""), 0u);
}

}  // namespace
}  // namespace fermo::smtp
