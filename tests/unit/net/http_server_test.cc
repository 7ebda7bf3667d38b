#include "lib/net/http_server.h"

#include "gtest/gtest.h"
#include "lib/net/stream.h"
#include "tests/unit/net/loop.h"

namespace fermo::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Everything until the server closes or says nothing more for a moment.
Awaitable<std::string> ReadAll(Stream* stream, size_t enough) {
  std::string all;
  std::string chunk(4096, '\0');
  while (all.size() < enough) {
    const auto n = co_await stream->ReadSome(asio::buffer(chunk), seconds(10));
    if (!n.ok() || *n == 0) break;
    all.append(chunk, 0, *n);
  }
  co_return all;
}

class HttpServerTest : public testing::Test {
 protected:
  void SetUp() override { Open(HttpServer::Options()); }
  void Open(HttpServer::Options options) {
    HttpServer::Routes routes;
    routes["/livez"] = [] {
      HttpReply reply;
      reply.body = "ok\n";
      return reply;
    };
    routes["/readyz"] = [] {
      HttpReply reply;
      reply.status = 503;
      reply.body = "no peers\n";
      return reply;
    };
    server_ = HttpServer::Open(loop_.executor(), ParseHostPort("127.0.0.1:0").value(),
                               std::move(routes), options)
                  .value();
  }
  std::unique_ptr<Stream> Connect() {
    auto stream = std::make_unique<Stream>(loop_.executor());
    EXPECT_TRUE(loop_.Run(stream->Connect(ToEndpoint(server_->local()).value(), seconds(10))).ok());
    return stream;
  }
  // Sends the octets and reads to the end of the connection, or until there are
  // `enough` octets.
  std::string Exchange(Stream& stream, std::string_view octets, size_t enough = 1 << 20) {
    EXPECT_TRUE(loop_.Run(stream.WriteAll(octets, seconds(10))).ok());
    return loop_.Run(ReadAll(&stream, enough));
  }
  std::string Exchange(std::string_view octets) { return Exchange(*Connect(), octets); }

  test::Loop loop_;
  std::unique_ptr<HttpServer> server_;
};

constexpr char kLive[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n"
    "Cache-Control: no-store\r\nConnection: keep-alive\r\n\r\nok\n";

TEST_F(HttpServerTest, ARouteIsAnsweredAndTheConnectionKept) {
  auto client = Connect();
  const std::string request = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
  EXPECT_EQ(Exchange(*client, request, sizeof kLive - 1), kLive);
  EXPECT_EQ(Exchange(*client, request, sizeof kLive - 1), kLive);
}

TEST_F(HttpServerTest, PipelinedAndCutUpRequestsAreAnsweredInOrder) {
  auto client = Connect();
  EXPECT_EQ(Exchange(*client,
                     "GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez?x=1 HTTP/1.1\r\nHost: x"
                     "\r\n\r\nGET /liv",
                     2 * (sizeof kLive - 1)),
            std::string(kLive) + kLive);
  EXPECT_TRUE(loop_.Run(client->WriteAll("ez HTTP/1.1\r", seconds(10))).ok());
  EXPECT_EQ(Exchange(*client, "\nHost: x\r\n\r\n", sizeof kLive - 1), kLive);
}

TEST_F(HttpServerTest, TheStatusOfTheRouteIsGiven) {
  EXPECT_EQ(Exchange("GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Length: 9\r\nCache-Control: no-store\r\nConnection: close\r\n\r\nno peers\n");
}

TEST_F(HttpServerTest, HeadHasTheLengthAndNoBody) {
  const std::string answer =
      Exchange("HEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answer.find("Content-Length: 3\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
}

TEST_F(HttpServerTest, OldClientsGetTheirAnswerAndTheEnd) {
  const std::string answer = Exchange("GET /livez HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_TRUE(answer.ends_with("Connection: close\r\n\r\nok\n")) << answer;
}

TEST_F(HttpServerTest, WhatIsNotServedIsRefusedWithItsStatus) {
  const auto status = [this](std::string_view request) { return Exchange(request).substr(0, 12); };
  EXPECT_EQ(status("GET /other HTTP/1.0\r\n\r\n"), "HTTP/1.1 404");
  EXPECT_EQ(status("DELETE /livez HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 405");
  EXPECT_EQ(status("POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"),
            "HTTP/1.1 413");
  EXPECT_EQ(status("GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n"),
            "HTTP/1.1 413");
  EXPECT_EQ(status("EHLO mx.test\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status(std::string("GET /\0 HTTP/1.1\r\n\r\n", 19)), "HTTP/1.1 400");
  EXPECT_EQ(status("GET /livez HTTP/1.1\r\nX: " + std::string(9000, 'x')), "HTTP/1.1 431");
  EXPECT_EQ(status("GET /" + std::string(20'000, 'x')), "HTTP/1.1 431");
  EXPECT_NE(Exchange("DELETE /livez HTTP/1.1\r\nHost: x\r\n\r\n").find("Allow: GET, HEAD\r\n"),
            std::string::npos);
}

TEST_F(HttpServerTest, IdleAndSlowConnectionsAreClosed) {
  HttpServer::Options options;
  options.idle_timeout = milliseconds(30);
  options.request_timeout = milliseconds(60);
  Open(options);
  auto idle = Connect();
  EXPECT_EQ(loop_.Run(ReadAll(idle.get(), 1)), "");
  // Each octet comes in time, the request as a whole does not.
  auto slow = Connect();
  bool closed = false;
  for (int i = 0; i < 200 && !closed; ++i) {
    closed = !loop_.Run(slow->WriteAll("G", seconds(10))).ok();
    loop_.Run(SleepFor(milliseconds(5)));
  }
  EXPECT_TRUE(closed);
}

TEST_F(HttpServerTest, BeyondTheLimitsConnectionsEnd) {
  HttpServer::Options options;
  options.max_connections = 1;
  options.max_requests = 2;
  Open(options);
  auto first = Connect();
  const std::string request = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
  EXPECT_EQ(Exchange(*first, request, sizeof kLive - 1), kLive);
  auto second = Connect();
  EXPECT_EQ(loop_.Run(ReadAll(second.get(), 1)), "") << "one connection at a time";
  EXPECT_NE(Exchange(*first, request).find("Connection: close"), std::string::npos);
}

TEST_F(HttpServerTest, CloseEndsKeptConnectionsAndTheLoop) {
  auto client = Connect();
  EXPECT_EQ(Exchange(*client, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", sizeof kLive - 1), kLive);
  server_->Close();
  EXPECT_EQ(loop_.Run(ReadAll(client.get(), 1)), "");
  client.reset();
  loop_.io().run();
}

TEST_F(HttpServerTest, ItMayBeDestroyedWithItsLoop) {
  auto client = Connect();
  EXPECT_EQ(Exchange(*client, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", sizeof kLive - 1), kLive);
}

}  // namespace
}  // namespace fermo::net
