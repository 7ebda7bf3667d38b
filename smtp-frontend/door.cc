#include "smtp-frontend/door.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"

namespace fermo::frontend {
namespace {

// Refusals under way at once; beyond, connections are closed without a word.
constexpr size_t kMaxRefusals = 256;
constexpr Duration kRefusalTimeout = std::chrono::seconds(5);
// What is cancelled ends within moments; longer means that something hangs.
constexpr Duration kCancelTimeout = std::chrono::seconds(2);

}  // namespace

Door::Door(net::Executor executor, const SessionContext* context, size_t max_connections)
    : executor_(std::move(executor)),
      context_(context),
      max_connections_(max_connections),
      rng_(RandomSeed()),
      gate_(executor_),
      refusals_(executor_) {}

Door::~Door() = default;

absl::StatusOr<std::unique_ptr<Door>> Door::Open(net::Executor executor, const HostPort& place,
                                                 const SessionContext* context,
                                                 size_t max_connections) {
  std::unique_ptr<Door> door(new Door(executor, context, max_connections));
  net::Listener::Options options;
  options.has_room = [d = door.get()] { return d->sessions_.size() < d->max_connections_; };
  options.refuse = [d = door.get()](net::Tcp::socket socket) { d->Refuse(std::move(socket)); };
  auto listener = net::Listener::Open(executor, place, std::move(options));
  if (!listener.ok()) return listener.status();
  door->listener_ = *std::move(listener);
  return door;
}

void Door::Start() {
  listener_->Start([this](net::Tcp::socket socket) { Admit(std::move(socket)); });
}

void Door::Admit(net::Tcp::socket socket) {
  std::optional<net::Gate::Pass> pass = gate_.TryEnter();
  if (!pass) return;
  const std::string id = absl::StrFormat("%016x", rng_.NextU64());
  auto session = std::make_shared<Session>(std::move(socket), id, context_);
  sessions_.emplace(session.get(), session);
  const net::Executor executor = session->executor();
  // Holds the session, whose cancellation slot must outlive the coroutine.
  auto done = [this, session, kept = *std::move(pass)](std::exception_ptr escaped) {
    sessions_.erase(session.get());
    if (escaped) context_->log.Warning("session_cut_off");
  };
  net::asio::co_spawn(
      executor, Session::Run(session),
      net::asio::bind_cancellation_slot(session->cancellation_slot(), std::move(done)));
}

void Door::Refuse(net::Tcp::socket socket) {
  context_->metrics->SessionRefused();
  std::optional<net::Gate::Pass> pass = refusals_.TryEnter();
  if (!pass || refusals_.count() > kMaxRefusals) return;
  auto stream = std::make_shared<net::Stream>(std::move(socket));
  std::string reply;
  smtp::AppendTo(smtp::MakeReply(421, {4, 3, 2},
                                 context_->settings.hostname + " Too many connections, try again"),
                 reply);
  const net::Executor executor = stream->executor();
  net::Spawn(executor, RunRefusal(std::move(stream), std::move(reply), *std::move(pass)));
}

net::Awaitable<void> Door::RunRefusal(std::shared_ptr<net::Stream> stream, std::string reply,
                                      [[maybe_unused]] net::Gate::Pass pass) {
  const absl::Status written = co_await stream->WriteAll(std::string_view(reply), kRefusalTimeout);
  if (!written.ok()) co_return;
  stream->ShutdownSend();
  // The client says QUIT or hangs up; reading it keeps a reset from overtaking the reply.
  char scratch[512];
  (void)co_await stream->ReadSome(net::asio::buffer(scratch), kRefusalTimeout);
}

net::Awaitable<void> Door::Drain(Duration limit) {
  listener_->Close();
  gate_.Close();
  std::vector<std::shared_ptr<Session>> present;
  for (const auto& [key, session] : sessions_) {
    if (auto alive = session.lock()) present.push_back(std::move(alive));
  }
  for (const auto& session : present) session->Drain();
  present.clear();
  const bool empty = co_await gate_.WaitUntilEmpty(limit);
  if (!empty) {
    context_->log.Warning("drain_cut_short", {{log::kCount, sessions_.size()}});
    for (const auto& [key, session] : sessions_) {
      if (auto alive = session.lock()) present.push_back(std::move(alive));
    }
    for (const auto& session : present) session->Cancel();
    present.clear();
    (void)co_await gate_.WaitUntilEmpty(kCancelTimeout);
  }
  refusals_.Close();
  (void)co_await refusals_.WaitUntilEmpty(kRefusalTimeout);
}

}  // namespace fermo::frontend
