// Sessions over real sockets, with a spool in memory.
#include "smtp-frontend/door.h"

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "lib/net/metrics.h"
#include "tests/unit/frontend/memory_spool.h"
#include "tests/unit/frontend/smtp_client.h"

namespace fermo::frontend {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class DoorTest : public testing::Test {
 protected:
  DoorTest() {
    cluster::Snapshot snapshot;
    snapshot.domains = {cluster::Domain{"example.test", {"127.0.0.1", 25}}};
    policy.SetSnapshot(snapshot);
    context.settings.hostname = "mx.backup.example";
    context.settings.max_message_size = 50 << 20;
    context.settings.max_recipients = 1000;
    context.settings.command_timeout = seconds(20);
    context.settings.data_timeout = seconds(20);
    context.spool = &spool;
    context.policy = &policy;
    context.metrics = &counts;
  }

  ~DoorTest() override {
    if (door) {
      Drain(seconds(0));
      work.reset();
      thread.join();
    }
  }

  void Open(size_t max_connections = 100) {
    door = *Door::Open(io.get_executor(), HostPort{"127.0.0.1", 0}, &context, max_connections);
    door->Start();
    thread = std::thread([this] { io.run(); });
  }

  uint16_t port() const { return door->local().port; }

  static net::Awaitable<void> DrainDoor(Door* door, Duration limit, std::promise<void>* done) {
    co_await door->Drain(limit);
    done->set_value();
  }
  std::future<void> StartDrain(Duration limit) {
    drained = std::promise<void>();
    net::Spawn(io.get_executor(), DrainDoor(door.get(), limit, &drained));
    return drained.get_future();
  }
  void Drain(Duration limit) {
    ASSERT_EQ(StartDrain(limit).wait_for(seconds(10)), std::future_status::ready);
  }

  void OnThread(std::function<void()> work_item) {
    std::promise<void> done;
    boost::asio::post(io, [&] {
      work_item();
      done.set_value();
    });
    done.get_future().wait();
  }

  template <class Condition>
  static bool Eventually(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + seconds(10);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(milliseconds(2));
    }
    return true;
  }

  std::string Scrape() { return metrics.Serialize(); }

  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  net::Metrics metrics{"test"};
  FrontendMetrics counts{&metrics};
  RecipientPolicy policy;
  MemorySpool spool{io.get_executor()};
  SessionContext context;
  std::unique_ptr<Door> door;
  std::thread thread;
  std::promise<void> drained;
};

TEST_F(DoorTest, AMessageIsStoredAndItsIdNamed) {
  Open();
  SmtpClient client(port());
  client.BeginMessage();
  EXPECT_EQ(client.Say("Subject: x\r\n\r\n..dot\r\n."), "250 2.0.0 Ok: queued as id-1");
  EXPECT_EQ(client.Say("QUIT"), "221 2.0.0 mx.backup.example Goodbye");
  EXPECT_EQ(client.Line(), "<closed>");
  const auto messages = spool.messages();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].envelope.reverse_path, "a@b.test");
  EXPECT_EQ(messages[0].envelope.client_address, "127.0.0.1");
  EXPECT_EQ(messages[0].envelope.helo, "client.test");
  EXPECT_EQ(messages[0].session_id.size(), 16u);
  EXPECT_TRUE(messages[0].content.starts_with(
      "Received: from client.test ([127.0.0.1])\r\n\tby mx.backup.example with ESMTP id " +
      messages[0].session_id + ".1\r\n\tfor <anna@example.test>;\r\n"));
  EXPECT_TRUE(messages[0].content.ends_with("+0000\r\nSubject: x\r\n\r\n.dot\r\n"));
}

TEST_F(DoorTest, OnlyDomainsOfTheSnapshotAreServed) {
  Open();
  SmtpClient client(port());
  EXPECT_EQ(client.Code(), "220");
  EXPECT_EQ(client.Say("HELO c.test").substr(0, 3), "250");
  EXPECT_EQ(client.Say("MAIL FROM:<>").substr(0, 3), "250");
  EXPECT_EQ(client.Say("RCPT TO:<u@elsewhere.test>").substr(0, 9), "550 5.7.1");
  EXPECT_EQ(client.Say("RCPT TO:<u@Example.Test>"), "250 2.1.5 Ok");
}

TEST_F(DoorTest, WithoutASnapshotEveryRecipientIsDeferred) {
  policy = RecipientPolicy();
  Open();
  SmtpClient client(port());
  EXPECT_EQ(client.Code(), "220");
  EXPECT_EQ(client.Say("HELO c.test").substr(0, 3), "250");
  EXPECT_EQ(client.Say("MAIL FROM:<>").substr(0, 3), "250");
  EXPECT_EQ(client.Say("RCPT TO:<u@example.test>").substr(0, 9), "451 4.3.0");
}

// One copy of a message can't be in the regions of both. Who has the same regions
// shares a transaction, of which a node hears all recipients.
TEST_F(DoorTest, RecipientsWhoseMailMayNotLieInTheSameRegionsComeInSeveralTransactions) {
  cluster::Snapshot snapshot;
  snapshot.domains = {
      cluster::Domain{"any.test", {"127.0.0.1", 25}},
      cluster::Domain{"north.test", {"127.0.0.1", 25}, {"alto", "basso"}},
      cluster::Domain{"south.test", {"127.0.0.1", 25}, {"alto", "sud"}},
      cluster::Domain{"twin.test", {"127.0.0.1", 25}, {"alto", "basso"}},
  };
  policy.SetSnapshot(snapshot);
  Open();
  SmtpClient client(port());
  EXPECT_EQ(client.Code(), "220");
  EXPECT_EQ(client.Say("HELO c.test").substr(0, 3), "250");
  EXPECT_EQ(client.Say("MAIL FROM:<>").substr(0, 3), "250");
  EXPECT_EQ(client.Say("RCPT TO:<u@north.test>"), "250 2.1.5 Ok");
  EXPECT_EQ(client.Say("RCPT TO:<u@south.test>").substr(0, 9), "452 4.5.3");
  EXPECT_EQ(client.Say("RCPT TO:<u@any.test>").substr(0, 9), "452 4.5.3");
  EXPECT_EQ(client.Say("RCPT TO:<u@twin.test>"), "250 2.1.5 Ok");
  EXPECT_EQ(client.Say("DATA").substr(0, 3), "354");
  EXPECT_EQ(client.Say("x\r\n.").substr(0, 3), "250");
  // The sender comes again with those who were told to wait.
  EXPECT_EQ(client.Say("MAIL FROM:<>").substr(0, 3), "250");
  EXPECT_EQ(client.Say("RCPT TO:<u@south.test>"), "250 2.1.5 Ok");
  EXPECT_EQ(client.Say("RCPT TO:<u@any.test>").substr(0, 9), "452 4.5.3");
  EXPECT_EQ(client.Say("DATA").substr(0, 3), "354");
  EXPECT_EQ(client.Say("x\r\n.").substr(0, 3), "250");
  const auto messages = spool.messages();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].envelope.forward_paths,
            (std::vector<std::string>{"u@north.test", "u@twin.test"}));
  EXPECT_EQ(messages[1].envelope.forward_paths, std::vector<std::string>{"u@south.test"});
}

TEST_F(DoorTest, APipelinedSessionIsAnsweredInOrder) {
  Open();
  SmtpClient client(port());
  client.Send(
      "EHLO c.test\r\nMAIL FROM:<>\r\nRCPT TO:<anna@example.test>\r\nDATA\r\nx\r\n.\r\n"
      "MAIL FROM:<>\r\nRCPT TO:<ugo@example.test>\r\nDATA\r\ny\r\n.\r\nQUIT\r\n");
  std::string codes;
  for (int i = 0; i < 10; ++i) codes += client.Code() + " ";
  EXPECT_EQ(codes, "220 250 250 250 354 250 250 250 354 250 ");
  EXPECT_EQ(client.Code(), "221");
  EXPECT_EQ(spool.messages().size(), 2u);
}

TEST_F(DoorTest, LargeMessagesAreStreamedInChunksAndSlowNodesSlowTheSender) {
  spool.discard = true;
  Open();
  OnThread([this] { spool.Hold(); });
  SmtpClient client(port());
  client.BeginMessage();
  std::thread sender([&client] {
    const std::string line = std::string(998, 'x') + "\r\n";
    std::string block;
    for (int i = 0; i < 256; ++i) block += line;
    for (int i = 0; i < 100; ++i) client.Send(block);
    client.Send(".\r\n");
  });
  ASSERT_TRUE(Eventually([this] { return spool.writes == 1; }));
  // The sender goes on pushing, but nothing more is taken from it.
  OnThread([] {});
  EXPECT_EQ(spool.writes, 1);
  OnThread([this] { spool.LetGo(); });
  EXPECT_EQ(client.Code(), "250");
  sender.join();
  EXPECT_GE(spool.writes, 97);
  EXPECT_LE(spool.largest_chunk, size_t{256} << 10);
}

TEST_F(DoorTest, ASenderThatDropsAbandonsItsUpload) {
  Open();
  {
    SmtpClient client(port());
    client.BeginMessage();
    client.Send("half a message\r\n");
    ASSERT_TRUE(Eventually([this] { return spool.begun == 1; }));
  }
  EXPECT_TRUE(Eventually([this] { return spool.abandoned == 1; }));
  EXPECT_EQ(spool.commits, 0);
  EXPECT_TRUE(Eventually([this] {
    return Scrape().find("smtp_sessions_total{listener=\"smtp\",result=\"dropped\"} 1") !=
           std::string::npos;
  }));
}

TEST_F(DoorTest, ARefusedMessageAbandonsItsUploadBeforeItsEnd) {
  Open();
  SmtpClient client(port());
  client.BeginMessage();
  client.Send("a bare\nline feed\r\n");
  EXPECT_TRUE(Eventually([this] { return spool.abandoned == 1; }));
  EXPECT_EQ(client.Say("."), "554 5.6.0 Message holds a bare CR, a bare LF or a NUL");
  EXPECT_EQ(client.Say("NOOP"), "250 2.0.0 Ok");
}

TEST_F(DoorTest, NodesTroubleDefersTheMessageAndTheSessionGoesOn) {
  Open();
  spool.begin_code = static_cast<int>(absl::StatusCode::kUnavailable);
  SmtpClient client(port());
  EXPECT_EQ(client.Code(), "220");
  EXPECT_EQ(client.Say("HELO c.test").substr(0, 3), "250");
  client.Say("MAIL FROM:<>");
  client.Say("RCPT TO:<anna@example.test>");
  EXPECT_EQ(client.Say("DATA").substr(0, 9), "451 4.3.0");
  spool.begin_code = 0;
  spool.commit_code = static_cast<int>(absl::StatusCode::kResourceExhausted);
  client.Say("MAIL FROM:<>");
  client.Say("RCPT TO:<anna@example.test>");
  EXPECT_EQ(client.Say("DATA").substr(0, 3), "354");
  EXPECT_EQ(client.Say("x\r\n.").substr(0, 9), "452 4.3.1");
  spool.commit_code = 0;
  spool.write_code = static_cast<int>(absl::StatusCode::kUnavailable);
  client.Say("MAIL FROM:<>");
  client.Say("RCPT TO:<anna@example.test>");
  EXPECT_EQ(client.Say("DATA").substr(0, 3), "354");
  std::string large;
  for (int i = 0; i < 600; ++i) large += std::string(998, 'x') + "\r\n";
  client.Send(large);
  EXPECT_EQ(client.Say(".").substr(0, 9), "451 4.3.0");
  EXPECT_EQ(client.Say("NOOP"), "250 2.0.0 Ok");
  EXPECT_TRUE(spool.messages().empty());
}

TEST_F(DoorTest, ASilentClientHears421AndIsClosed) {
  context.settings.command_timeout = milliseconds(100);
  Open();
  SmtpClient client(port());
  EXPECT_EQ(client.Code(), "220");
  EXPECT_EQ(client.Line().substr(0, 9), "421 4.4.2");
  EXPECT_EQ(client.Line(), "<closed>");
}

TEST_F(DoorTest, AContentThatStallsHears421AndItsUploadIsAbandoned) {
  context.settings.data_timeout = milliseconds(100);
  Open();
  SmtpClient client(port());
  client.BeginMessage();
  client.Send("half");
  EXPECT_EQ(client.Line().substr(0, 9), "421 4.4.2");
  EXPECT_TRUE(Eventually([this] { return spool.abandoned == 1; }));
}

TEST_F(DoorTest, ConnectionsBeyondTheCapHear421AndLaterOnesAreWelcome) {
  Open(1);
  {
    SmtpClient first(port());
    EXPECT_EQ(first.Code(), "220");
    SmtpClient second(port());
    EXPECT_EQ(second.Line(), "421 4.3.2 mx.backup.example Too many connections, try again");
    EXPECT_EQ(second.Line(), "<closed>");
    EXPECT_EQ(first.Say("QUIT").substr(0, 3), "221");
  }
  EXPECT_TRUE(Eventually([this] { return SmtpClient(port()).Code() == "220"; }));
  EXPECT_NE(Scrape().find("smtp_sessions_total{listener=\"smtp\",result=\"refused\"}"),
            std::string::npos);
}

TEST_F(DoorTest, DrainTellsIdleSessionsAndLetsAMessageFinish) {
  Open();
  SmtpClient idle(port());
  EXPECT_EQ(idle.Code(), "220");
  SmtpClient busy(port());
  busy.BeginMessage();
  busy.Send("first half\r\n");
  auto done = StartDrain(seconds(10));
  EXPECT_EQ(idle.Line().substr(0, 9), "421 4.3.2");
  EXPECT_EQ(idle.Line(), "<closed>");
  EXPECT_EQ(done.wait_for(milliseconds(50)), std::future_status::timeout);
  busy.Send("second half\r\n.\r\n");
  EXPECT_EQ(busy.Line(), "250 2.0.0 Ok: queued as id-1");
  EXPECT_EQ(busy.Line().substr(0, 9), "421 4.3.2");
  busy.Close();
  idle.Close();
  EXPECT_EQ(done.wait_for(seconds(10)), std::future_status::ready);
  EXPECT_EQ(spool.messages().size(), 1u);
  EXPECT_THROW(SmtpClient late(port()), boost::system::system_error);
}

TEST_F(DoorTest, DrainWaitsForTheVerdictOnACommit) {
  Open();
  OnThread([this] { spool.Hold(); });
  SmtpClient client(port());
  client.BeginMessage();
  client.Send("x\r\n.\r\n");
  ASSERT_TRUE(Eventually([this] { return spool.commits == 1; }));
  auto done = StartDrain(seconds(10));
  OnThread([this] { spool.LetGo(); });
  EXPECT_EQ(client.Line(), "250 2.0.0 Ok: queued as id-1");
  EXPECT_EQ(client.Line().substr(0, 9), "421 4.3.2");
  client.Close();
  EXPECT_EQ(done.wait_for(seconds(10)), std::future_status::ready);
}

TEST_F(DoorTest, DrainEndsAtItsLimitWhateverTheSenderDoes) {
  Open();
  SmtpClient client(port());
  client.BeginMessage();
  client.Send("for ever\r\n");
  ASSERT_TRUE(Eventually([this] { return spool.begun == 1; }));
  Drain(milliseconds(50));
  EXPECT_EQ(spool.abandoned, 1);
}

TEST_F(DoorTest, CountsWhatHappened) {
  Open();
  SmtpClient client(port());
  client.BeginMessage();
  EXPECT_EQ(client.Say("12345678\r\n.").substr(0, 3), "250");
  client.Say("MAIL FROM:<>");
  client.Say("RCPT TO:<u@elsewhere.test>");
  client.Say("QUIT");
  EXPECT_EQ(client.Line(), "<closed>");
  ASSERT_TRUE(Eventually([this] {
    return Scrape().find("fermoposta_smtp_connections{listener=\"smtp\"} 0") != std::string::npos;
  }));
  const std::string text = Scrape();
  for (const char* line :
       {"fermoposta_smtp_sessions_total{listener=\"smtp\",result=\"quit\"} 1",
        "fermoposta_messages_accepted_total 1", "fermoposta_message_bytes_accepted_total 10",
        "fermoposta_messages_rejected_total{reason=\"relay\"} 1",
        "fermoposta_accept_duration_seconds_count{outcome=\"accepted\"} 1"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line;
  }
}

}  // namespace
}  // namespace fermo::frontend
