#include "node/delivery/route_driver.h"

#include <algorithm>
#include <utility>

#include "lib/base/host_port.h"

namespace fermo::node {
namespace {

using cluster::RouteState;

std::string Message(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

}  // namespace

RouteDriver::RouteDriver(DeliveryContext& context, RouteIndex index)
    : context_(context),
      index_(index),
      route_(context.domains.RouteAt(index)),
      name_(ToString(HostPort{route_.host, route_.port})),
      machine_(context.options.route, BootClock::now(), context.rng),
      timer_(context.executor, [this] { Step(cluster::RouteTick{}); }) {}

void RouteDriver::Start() {
  started_ = true;
  Step(cluster::RouteTick{});
}

void RouteDriver::Stop() {
  stopped_ = true;
  timer_.Cancel();
  proven_.reset();
  WakeIdle(idle_.size());
}

void RouteDriver::Update() {
  if (!started_ || stopped_) return;
  cluster::DemandChanged demand;
  demand.waiting = context_.queue.WaitingLegs(index_) > 0;
  demand.ready = attempts_ > 0 || context_.queue.HasReady(index_);
  if (demand.waiting != demand_.waiting || demand.ready != demand_.ready) {
    demand_ = demand;
    Feed(demand);
  }
  StartWorkers();
  ArmTimer();
}

RouteView RouteDriver::View() const {
  RouteView view;
  view.route = route_;
  view.state = machine_.state();
  view.reason = machine_.reason();
  view.since = since_;
  view.connections = machine_.connections();
  view.attempts = attempts_;
  view.waiting_legs = context_.queue.WaitingLegs(index_);
  return view;
}

void RouteDriver::Step(const cluster::RouteEvent& event) {
  if (!started_ || stopped_) return;
  Feed(event);
  Update();
}

void RouteDriver::Feed(const cluster::RouteEvent& event) {
  for (const cluster::RouteAction& action : machine_.Step(event, BootClock::now())) {
    Perform(action);
  }
}

void RouteDriver::Perform(const cluster::RouteAction& action) {
  if (std::holds_alternative<cluster::StartProbe>(action)) return StartProbe();
  const auto& change = std::get<cluster::RouteChanged>(action);
  since_ = WallNow();
  context_.log.Info(
      "route_changed",
      {{log::kRoute, name_}, {log::kState, ToString(change.to)}, {log::kReason, change.reason}});
  if (change.to != RouteState::kDown) return;
  WakeIdle(idle_.size());
  ++generation_;
  workers_ = 0;
  hungry_ = 0;
}

void RouteDriver::ArmTimer() {
  Instant next = machine_.NextTick();
  const Instant now = BootClock::now();
  if (blocked_) next = std::min(next, now + context_.options.permission_interval);
  if (next == Instant::max()) return timer_.Disarm();
  timer_.Arm(std::max(next - now, Duration::zero()));
}

void RouteDriver::StartProbe() {
  std::optional<net::Gate::Pass> pass = context_.gate.TryEnter();
  if (!pass) return;  // draining: nobody waits for the result
  net::Spawn(context_.executor, Probe(shared_from_this(), *std::move(pass)));
}

net::Awaitable<void> RouteDriver::Probe(std::shared_ptr<RouteDriver> self,
                                        [[maybe_unused]] net::Gate::Pass pass) {
  absl::StatusOr<std::unique_ptr<SmtpConnection>> probed =
      co_await self->context_.prober.Probe(self->route_, self->silences_);
  self->context_.metrics.CountProbe(probed.ok());
  const bool silent = absl::IsDeadlineExceeded(probed.status());
  self->silences_ = silent ? self->silences_ + 1 : 0;
  cluster::ProbeDone result;
  result.ok = probed.ok();
  if (!probed.ok()) {
    result.reason = Message(probed.status());
    self->Step(result);
    co_return;
  }
  self->proven_ = *std::move(probed);
  self->Step(result);
  std::unique_ptr<SmtpConnection> unused = std::move(self->proven_);
  if (unused != nullptr) co_await unused->Quit();
}

void RouteDriver::StartWorkers() {
  if (!started_ || stopped_) return;
  const uint32_t allowed = machine_.connections();
  const auto permitted = [this](const SegmentId& segment) {
    return context_.ownership.MayStart(segment);
  };
  size_t ready = context_.queue.CountReady(index_, size_t{allowed} + hungry_ + 1, permitted);
  blocked_ = allowed > 0 && ready == 0 && context_.queue.HasReady(index_);
  ready -= std::min<size_t>(ready, hungry_);
  ready -= WakeIdle(ready);
  while (ready > 0 && workers_ < allowed) {
    --ready;
    SpawnWorker(std::move(proven_));
  }
}

void RouteDriver::SpawnWorker(std::unique_ptr<SmtpConnection> connection) {
  std::optional<net::Gate::Pass> pass = context_.gate.TryEnter();
  if (!pass) return;
  ++workers_;
  ++hungry_;
  net::Spawn(context_.executor,
             Work(shared_from_this(), std::move(connection), generation_, *std::move(pass)));
}

net::Awaitable<void> RouteDriver::Work(std::shared_ptr<RouteDriver> self,
                                       std::unique_ptr<SmtpConnection> connection,
                                       uint64_t generation, [[maybe_unused]] net::Gate::Pass pass) {
  if (connection == nullptr) {
    absl::StatusOr<std::unique_ptr<SmtpConnection>> opened =
        co_await SmtpConnection::Open(self->context_.executor, &self->context_.resolver,
                                      self->route_, self->context_.options.connection);
    if (!opened.ok()) {
      if (generation == self->generation_) --self->hungry_;
      self->WorkerLeaves(generation);
      cluster::AttemptDone broken;
      broken.result = cluster::AttemptResult::kBroken;
      broken.reason = Message(opened.status());
      // Those of an earlier life say nothing new.
      if (generation == self->generation_) self->Step(broken);
      co_return;
    }
    connection = *std::move(opened);
  }
  co_await Carry(self, connection.get(), generation);
  self->WorkerLeaves(generation);
  self->StartWorkers();
  co_await connection->Quit();
}

net::Awaitable<void> RouteDriver::Carry(std::shared_ptr<RouteDriver> self,
                                        SmtpConnection* connection, uint64_t generation) {
  uint32_t carried = 0;
  while (self->MayContinue(generation, carried)) {
    std::optional<TakenMessage> taken = self->Take(generation);
    if (!taken) {
      const bool woken = co_await WaitForMail(self);
      if (!woken) co_return;
      continue;
    }
    ++self->attempts_;
    auto attempt = std::make_shared<Attempt>(self->context_, self->name_, *std::move(taken),
                                             *connection, carried > 0);
    const AttemptReport report = co_await Attempt::Run(std::move(attempt));
    --self->attempts_;
    ++carried;
    if (report.connection_usable && generation == self->generation_) ++self->hungry_;
    self->AttemptEnded(report, generation);
    if (!report.connection_usable) co_return;
  }
  if (generation == self->generation_) --self->hungry_;
}

// Connections of an earlier life of the route die late and in numbers; what
// they say about it is history. That one of them delivered is news.
void RouteDriver::AttemptEnded(const AttemptReport& report, uint64_t generation) {
  const bool broken = report.result == cluster::AttemptResult::kBroken;
  if (broken && generation != generation_) return Update();
  cluster::AttemptDone done;
  done.result = report.result;
  done.reason = report.reason;
  Step(done);
}

// Of more workers than the route now allows, those leave that end first.
bool RouteDriver::MayContinue(uint64_t generation, uint32_t carried) const {
  return !stopped_ && generation == generation_ && workers_ <= machine_.connections() &&
         carried < context_.options.messages_per_connection;
}

std::optional<TakenMessage> RouteDriver::Take(uint64_t generation) {
  if (generation == generation_) --hungry_;
  return context_.queue.Take(index_, BootClock::now(), [this](const SegmentId& segment) {
    return context_.ownership.MayStart(segment);
  });
}

net::Awaitable<bool> RouteDriver::WaitForMail(std::shared_ptr<RouteDriver> self) {
  auto timer = std::make_shared<net::asio::steady_timer>(self->context_.executor);
  timer->expires_after(self->context_.options.idle_connection);
  self->idle_.push_back(timer);
  const auto [cancelled] = co_await timer->async_wait(net::kAwait);
  if (cancelled) co_return true;  // WakeIdle took it out
  const auto it = std::find(self->idle_.begin(), self->idle_.end(), timer);
  if (it == self->idle_.end()) co_return true;  // woken in the same moment
  self->idle_.erase(it);
  co_return false;
}

size_t RouteDriver::WakeIdle(size_t count) {
  size_t woken = 0;
  for (; woken < count && !idle_.empty(); ++woken) {
    const IdleTimer timer = std::move(idle_.front());
    idle_.pop_front();
    timer->cancel();
    ++hungry_;
  }
  return woken;
}

void RouteDriver::WorkerLeaves(uint64_t generation) {
  if (generation == generation_) --workers_;
}

}  // namespace fermo::node
