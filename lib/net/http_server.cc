#include "lib/net/http_server.h"

#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

#include "fmt/format.h"
#include "lib/net/listener.h"
#include "lib/net/stream.h"

namespace fermo::net {

namespace http = boost::beast::http;

struct HttpServer::State {
  State(Routes r, Options o) : routes(std::move(r)), options(o) {}

  const Routes routes;
  const Options options;
  std::unique_ptr<Listener> listener;
  std::mutex mutex;
  bool closed = false;                                      // under mutex
  uint64_t next_connection = 0;                             // under mutex
  std::map<uint64_t, std::shared_ptr<Stream>> connections;  // under mutex

  bool HasRoom();
  // Nothing when closed.
  std::optional<uint64_t> Add(std::shared_ptr<Stream> stream);
  void Remove(uint64_t number);
};

bool HttpServer::State::HasRoom() {
  std::lock_guard lock(mutex);
  return connections.size() < options.max_connections;
}

std::optional<uint64_t> HttpServer::State::Add(std::shared_ptr<Stream> stream) {
  std::lock_guard lock(mutex);
  if (closed) return std::nullopt;
  connections.emplace(next_connection, std::move(stream));
  return next_connection++;
}

void HttpServer::State::Remove(uint64_t number) {
  std::lock_guard lock(mutex);
  connections.erase(number);
}

namespace {

using Parser = http::request_parser<http::empty_body>;

struct Answer {
  HttpReply reply;
  bool keep_alive = false;
  bool head_only = false;
};

HttpReply PlainReply(int status, std::string text) {
  HttpReply reply;
  reply.status = status;
  reply.body = std::move(text) + "\n";
  return reply;
}

Answer Refuse(int status, std::string text) {
  Answer answer;
  answer.reply = PlainReply(status, std::move(text));
  return answer;
}

Answer AnswerTo(const http::request<http::empty_body>& request, const HttpServer::Routes& routes) {
  if (request.method() != http::verb::get && request.method() != http::verb::head) {
    return Refuse(405, "only GET and HEAD");
  }
  const std::string target(request.target().data(), request.target().size());
  const auto route = routes.find(target.substr(0, target.find('?')));
  Answer answer;
  answer.keep_alive = request.keep_alive();
  answer.head_only = request.method() == http::verb::head;
  if (route == routes.end()) {
    answer.reply = PlainReply(404, "not found");
  } else {
    answer.reply = route->second();
  }
  return answer;
}

// A request that can't be parsed or is more than we take; the connection ends.
Answer RefuseFor(const ErrorCode& error) {
  if (error == http::error::header_limit) return Refuse(431, "the header is too large");
  if (error == http::error::body_limit || error == http::error::unexpected_body) {
    return Refuse(413, "no body is taken");
  }
  return Refuse(400, "bad request");
}

std::string Format(const Answer& answer) {
  const HttpReply& reply = answer.reply;
  const auto reason =
      http::obsolete_reason(http::int_to_status(static_cast<unsigned>(reply.status)));
  std::string text = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n",
      reply.status, std::string_view(reason.data(), reason.size()), reply.content_type,
      reply.body.size());
  if (reply.status == 405) text.append("Allow: GET, HEAD\r\n");
  text.append(answer.keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
  if (!answer.head_only) text.append(reply.body);
  return text;
}

enum class Heard { kRequest, kBad, kGone };

// Fills the parser from what is pending and from the connection. The deadline is
// for the whole request, so that drops of octets don't hold a connection open.
Awaitable<Heard> ReadRequest(std::shared_ptr<Stream> stream, Parser* parser, std::string* pending,
                             HttpServer::Options options, ErrorCode* error) {
  std::string chunk(4096, '\0');
  Duration wait = pending->empty() ? options.idle_timeout : options.request_timeout;
  auto end = std::chrono::steady_clock::time_point::max();
  for (;;) {
    if (!pending->empty()) {
      *error = {};
      const size_t used = parser->put(asio::buffer(*pending), *error);
      pending->erase(0, used);
      if (*error && *error != http::error::need_more) co_return Heard::kBad;
      if (parser->is_header_done()) {
        if (parser->is_done()) co_return Heard::kRequest;
        *error = http::error::body_limit;
        co_return Heard::kBad;
      }
      const auto now = std::chrono::steady_clock::now();
      if (end == std::chrono::steady_clock::time_point::max()) end = now + options.request_timeout;
      if (now >= end) co_return Heard::kGone;
      wait = end - now;
      // The parser counts what it has used; this bounds a line without an end.
      if (pending->size() > options.max_header) {
        *error = http::error::header_limit;
        co_return Heard::kBad;
      }
    }
    const absl::StatusOr<size_t> n = co_await stream->ReadSome(asio::buffer(chunk), wait);
    if (!n.ok() || *n == 0) co_return Heard::kGone;
    pending->append(chunk, 0, *n);
  }
}

Awaitable<void> Converse(std::shared_ptr<Stream> stream, const HttpServer::Routes* routes,
                         HttpServer::Options options) {
  std::string pending;
  for (int count = 1; stream->is_open(); ++count) {
    Parser parser;
    parser.header_limit(static_cast<uint32_t>(options.max_header));
    parser.body_limit(0);
    ErrorCode error;
    const Heard heard = co_await ReadRequest(stream, &parser, &pending, options, &error);
    if (heard == Heard::kGone) co_return;
    Answer answer;
    if (heard == Heard::kBad) {
      answer = RefuseFor(error);
    } else {
      answer = AnswerTo(parser.get(), *routes);
    }
    if (count >= options.max_requests) answer.keep_alive = false;
    const std::string text = Format(answer);
    const absl::Status written = co_await stream->WriteAll(text, options.request_timeout);
    if (!written.ok() || !answer.keep_alive) break;
  }
  // Lets the client read the answer to a request of which we didn't take all.
  stream->ShutdownSend();
  std::string rest(4096, '\0');
  for (int i = 0; i < 16; ++i) {
    const absl::StatusOr<size_t> n =
        co_await stream->ReadSome(asio::buffer(rest), std::chrono::seconds(1));
    if (!n.ok() || *n == 0) break;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Open(Executor executor,
                                                             const HostPort& place, Routes routes,
                                                             Options options) {
  auto state = std::make_shared<State>(std::move(routes), options);
  const std::weak_ptr<State> weak = state;
  Listener::Options listening;
  listening.has_room = [weak] {
    const auto self = weak.lock();
    return self && self->HasRoom();
  };
  absl::StatusOr<std::unique_ptr<Listener>> listener =
      Listener::Open(std::move(executor), place, std::move(listening));
  if (!listener.ok()) return listener.status();
  state->listener = *std::move(listener);
  state->listener->Start([weak](Tcp::socket socket) {
    const auto self = weak.lock();
    if (!self) return;
    auto stream = std::make_shared<Stream>(std::move(socket));
    const std::optional<uint64_t> number = self->Add(stream);
    if (!number) return;
    Spawn(stream->executor(), Converse(stream, &self->routes, self->options),
          [self, number](absl::Status) { self->Remove(*number); });
  });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Open(Executor executor,
                                                             const HostPort& place, Routes routes) {
  return Open(std::move(executor), place, std::move(routes), Options());
}

HttpServer::~HttpServer() { Close(); }

void HttpServer::Close() {
  state_->listener->Close();
  std::lock_guard lock(state_->mutex);
  state_->closed = true;
  for (const auto& [number, stream] : state_->connections) {
    asio::post(stream->executor(), [stream = stream] { stream->Close(); });
  }
}

const HostPort& HttpServer::local() const { return state_->listener->local(); }

}  // namespace fermo::net
