#include "node/delivery/deliverer.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace fermo::node {

Deliverer::Deliverer(net::Executor executor, DeliveryOptions options, const SpoolStore& store,
                     Ownership& ownership, net::Resolver& resolver, Logger log,
                     net::Metrics& metrics)
    : context_(executor, std::move(options), store, ownership, resolver, std::move(log), metrics),
      due_timer_(executor, [this] { QueueChanged(); }),
      gauge_timer_(executor, [this] { RefreshGauges(); }) {
  context_.queue_changed = [this] { QueueChanged(); };
}

Deliverer::~Deliverer() {
  for (const auto& [index, driver] : drivers_) driver->Stop();
}

void Deliverer::Start() {
  started_ = true;
  for (const auto& [index, driver] : drivers_) driver->Start();
  RefreshGauges();
  QueueChanged();
}

void Deliverer::ApplySnapshot(const cluster::Snapshot& snapshot) {
  const Instant now = BootClock::now();
  std::vector<bool> present(context_.domains.size(), false);
  std::vector<bool> used;
  for (const cluster::Domain& domain : snapshot.domains) {
    const DomainIndex index = context_.domains.Intern(domain.name);
    const RouteIndex route = context_.domains.InternRoute(domain.primary);
    if (index >= present.size()) present.resize(index + 1, false);
    if (route >= used.size()) used.resize(route + 1, false);
    present[index] = true;
    used[route] = true;
    context_.queue.Reroute(index, route, now);
  }
  for (DomainIndex index = 0; index < present.size(); ++index) {
    if (!present[index]) context_.queue.Reroute(index, kNoRoute, now);
  }
  UseRoutes(used);
  QueueChanged();
}

void Deliverer::UseRoutes(const std::vector<bool>& used) {
  for (auto it = drivers_.begin(); it != drivers_.end();) {
    if (it->first < used.size() && used[it->first]) {
      ++it;
      continue;
    }
    it->second->Stop();
    it = drivers_.erase(it);
  }
  for (RouteIndex index = 0; index < used.size(); ++index) {
    if (!used[index] || drivers_.contains(index)) continue;
    const auto driver = std::make_shared<RouteDriver>(context_, index);
    drivers_[index] = driver;
    if (started_) driver->Start();
  }
}

void Deliverer::Add(const MessageId& id, const std::vector<std::string>& forward_paths,
                    uint64_t size, WallTime received_at, Instant not_before) {
  Add(id, forward_paths, {}, size, received_at, not_before);
}

void Deliverer::Add(const MessageId& id, const std::vector<std::string>& forward_paths,
                    const std::vector<uint32_t>& done_legs, uint64_t size, WallTime received_at,
                    Instant not_before) {
  std::vector<LegEntry> legs;
  legs.reserve(forward_paths.size());
  for (const std::string& path : forward_paths) {
    LegEntry& leg = legs.emplace_back();
    leg.domain = context_.domains.Intern(spool::DomainOf(path));
  }
  for (const uint32_t leg : done_legs) {
    if (leg < legs.size()) legs[leg].done = true;
  }
  context_.queue.Add(id, std::move(legs), size, received_at, not_before, BootClock::now());
  QueueChanged();
}

void Deliverer::LegsDone(const MessageId& id, const std::vector<uint32_t>& legs) {
  context_.queue.LegsDone(id, legs, BootClock::now());
  QueueChanged();
}

void Deliverer::DropSegment(const SegmentId& segment) {
  for (const auto& [id, attempt] : context_.attempts) {
    if (id.segment == segment) attempt->Abandon();
  }
  context_.queue.DropSegment(segment);
  QueueChanged();
}

// Changes come in bursts, and from within calls of the queue's users: looking
// after the routes is put off to the next turn of the executor.
void Deliverer::QueueChanged() {
  if (update_posted_) return;
  update_posted_ = true;
  net::asio::post(context_.executor, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) UpdateRoutes();
  });
}

void Deliverer::UpdateRoutes() {
  update_posted_ = false;
  const Instant now = BootClock::now();
  const Instant due = context_.queue.Advance(now);
  if (due == Instant::max()) {
    due_timer_.Disarm();
  } else if (!stopped_) {
    due_timer_.Arm(due - now);
  }
  for (const RouteIndex route : context_.queue.TakeTouchedRoutes()) {
    const auto it = drivers_.find(route);
    if (it != drivers_.end()) it->second->Update();
  }
}

net::Awaitable<void> Deliverer::Drain(Duration limit) {
  stopped_ = true;
  gauge_timer_.Cancel();
  due_timer_.Cancel();
  for (const auto& [index, driver] : drivers_) driver->Stop();
  context_.gate.Close();
  bool empty = co_await context_.gate.WaitUntilEmpty(limit);
  for (const auto& [id, attempt] : context_.attempts) attempt->Abandon();
  if (!empty) empty = co_await context_.gate.WaitUntilEmpty(limit);
  for (const auto& [id, attempt] : context_.attempts) attempt->CloseConnection();
  // Probes and connections that are being opened have deadlines of their own.
  if (!empty) co_await context_.gate.WaitUntilEmpty(limit);
}

QueueCounts Deliverer::Totals() const { return context_.queue.Totals(); }

std::vector<DomainQueueView> Deliverer::Domains() const {
  std::vector<DomainQueueView> views;
  for (DomainIndex index = 0; index < context_.domains.size(); ++index) {
    QueueCounts counts = context_.queue.CountsOf(index);
    if (counts.legs > 0) views.push_back({context_.domains.Name(index), std::move(counts)});
  }
  std::sort(views.begin(), views.end(),
            [](const auto& a, const auto& b) { return a.domain < b.domain; });
  return views;
}

std::vector<WaitingMessage> Deliverer::List(std::string_view domain, std::optional<MessageId> after,
                                            size_t limit) const {
  if (domain.empty()) return context_.queue.List(std::nullopt, after, limit);
  const std::optional<DomainIndex> index = context_.domains.Find(domain);
  if (!index) return {};
  return context_.queue.List(index, after, limit);
}

std::optional<WaitingMessage> Deliverer::Find(const MessageId& id) const {
  return context_.queue.Find(id);
}

std::vector<RouteView> Deliverer::Routes() const {
  std::vector<RouteView> views;
  for (const auto& [index, driver] : drivers_) views.push_back(driver->View());
  return views;
}

}  // namespace fermo::node
