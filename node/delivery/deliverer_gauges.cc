// The gauges of delivery, refreshed once a second on the core executor: the
// scraper's thread must not look into the queue.
#include <algorithm>
#include <utility>

#include "node/delivery/deliverer.h"

namespace fermo::node {
namespace {

constexpr Duration kInterval = std::chrono::seconds(1);

double AgeSeconds(std::optional<WallTime> oldest) {
  if (!oldest) return 0;
  return std::max(std::chrono::duration<double>(WallNow() - *oldest).count(), 0.0);
}

}  // namespace

void Deliverer::RefreshGauges() {
  const QueueCounts total = context_.queue.Totals();
  const DeliveryQueue::StateCounts in_flight = context_.queue.InFlight();
  const DeliveryQueue::StateCounts deferred = context_.queue.Deferred();
  context_.metrics.SetQueue({"in_flight", in_flight.messages, in_flight.bytes});
  context_.metrics.SetQueue({"deferred", deferred.messages, deferred.bytes});
  context_.metrics.SetQueue({"waiting", total.messages - in_flight.messages - deferred.messages,
                             total.bytes - in_flight.bytes - deferred.bytes});
  context_.metrics.SetDomains(DomainStates());
  std::map<std::string, int> routes;
  for (const auto state :
       {cluster::RouteState::kUnknown, cluster::RouteState::kDown, cluster::RouteState::kCanary,
        cluster::RouteState::kRamp, cluster::RouteState::kUp}) {
    routes[std::string(ToString(state))] = 0;
  }
  for (const auto& [index, driver] : drivers_) ++routes[std::string(ToString(driver->state()))];
  context_.metrics.SetRoutes(routes);
  if (!stopped_) gauge_timer_.Arm(kInterval);
}

// A series per domain would be too many: those with most mail have one, and
// the others one together.
std::vector<DeliveryMetrics::DomainState> Deliverer::DomainStates() const {
  std::vector<std::pair<uint64_t, DomainIndex>> order;
  for (DomainIndex index = 0; index < context_.domains.size(); ++index) {
    const uint64_t legs = context_.queue.CountsOf(index).legs;
    if (legs > 0 || context_.domains.RouteOf(index) != kNoRoute) order.push_back({legs, index});
  }
  const size_t count = std::min(order.size(), context_.options.domains_in_metrics);
  const auto busier = [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(count), order.end(),
                    busier);
  std::vector<DeliveryMetrics::DomainState> states;
  for (size_t i = 0; i < count; ++i) {
    const DomainIndex domain = order[i].second;
    DeliveryMetrics::DomainState& state = states.emplace_back();
    state.domain = context_.domains.Name(domain);
    state.oldest_age_seconds = AgeSeconds(context_.queue.CountsOf(domain).oldest);
    state.up = PrimaryUp(domain);
  }
  if (count == order.size()) return states;
  DeliveryMetrics::DomainState& other = states.emplace_back();
  other.domain = "_other";
  for (size_t i = count; i < order.size(); ++i) {
    const double age = AgeSeconds(context_.queue.CountsOf(order[i].second).oldest);
    other.oldest_age_seconds = std::max(other.oldest_age_seconds, age);
  }
  return states;
}

std::optional<bool> Deliverer::PrimaryUp(DomainIndex domain) const {
  const auto it = drivers_.find(context_.domains.RouteOf(domain));
  if (it == drivers_.end()) return std::nullopt;
  const cluster::RouteState state = it->second->state();
  if (state == cluster::RouteState::kUnknown) return std::nullopt;
  return state != cluster::RouteState::kDown;
}

}  // namespace fermo::node
