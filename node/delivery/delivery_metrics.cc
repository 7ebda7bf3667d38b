#include "node/delivery/delivery_metrics.h"

#include <algorithm>
#include <set>

namespace fermo::node {
namespace {

constexpr char kOldestName[] = "queue_oldest_message_age_seconds";
constexpr char kUpName[] = "primary_up";

double Seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

std::string ClassOf(int code) {
  return code == 0 ? std::string("none") : std::to_string(code / 100) + "xx";
}

}  // namespace

DeliveryMetrics::DeliveryMetrics(net::Metrics& metrics)
    : metrics_(metrics),
      damaged_(metrics.MakeCounter("messages_damaged_total",
                                   "Attempts given up because our copy can't be sent as it is")),
      probes_ok_(metrics.MakeCounter("probes_total", "Probes of primaries", {{"result", "ok"}})),
      probes_failed_(
          metrics.MakeCounter("probes_total", "Probes of primaries", {{"result", "failed"}})),
      delay_(metrics.MakeHistogram("delivery_delay_seconds", "From acceptance to delivery",
                                   net::DelayBuckets(), {{"result", "delivered"}})) {}

void DeliveryMetrics::CountAttempt(std::string_view result, int code, Duration duration) {
  const std::string name(result);
  net::Counter*& counter = attempts_[{name, ClassOf(code)}];
  if (counter == nullptr) {
    counter = &metrics_.MakeCounter("delivery_attempts_total", "Transactions with primaries",
                                    {{"result", name}, {"class", ClassOf(code)}});
  }
  counter->Increment();
  net::Histogram*& histogram = durations_[name];
  if (histogram == nullptr) {
    histogram = &metrics_.MakeHistogram("delivery_duration_seconds", "Length of a transaction",
                                        net::LatencyBuckets(), {{"result", name}});
  }
  histogram->Observe(Seconds(duration));
}

void DeliveryMetrics::CountDelivery(Duration since_acceptance) {
  delay_.Observe(std::max(Seconds(since_acceptance), 0.0));
}

void DeliveryMetrics::SetQueue(const QueueState& state) {
  auto& [messages, bytes] = queues_[std::string(state.state)];
  if (messages == nullptr) {
    const net::Labels labels = {{"state", std::string(state.state)}};
    messages =
        &metrics_.MakeGauge("queue_messages", "Messages that this node must deliver", labels);
    bytes = &metrics_.MakeGauge("queue_bytes", "Octets of those messages", labels);
  }
  messages->Set(static_cast<double>(state.messages));
  bytes->Set(static_cast<double>(state.bytes));
}

void DeliveryMetrics::SetDomains(const std::vector<DomainState>& domains) {
  std::set<std::string> present;
  for (const DomainState& domain : domains) {
    present.insert(domain.domain);
    SetDomain(domain, domains_[domain.domain]);
  }
  for (auto it = domains_.begin(); it != domains_.end();) {
    if (present.contains(it->first)) {
      ++it;
      continue;
    }
    metrics_.RemoveGauge(kOldestName, it->second.oldest);
    if (it->second.up != nullptr) metrics_.RemoveGauge(kUpName, it->second.up);
    it = domains_.erase(it);
  }
}

void DeliveryMetrics::SetDomain(const DomainState& domain, DomainGauges& gauges) {
  const net::Labels labels = {{"domain", domain.domain}};
  if (gauges.oldest == nullptr) {
    gauges.oldest = &metrics_.MakeGauge(
        kOldestName, "Age of the oldest message that waits; domains with most mail", labels);
  }
  gauges.oldest->Set(domain.oldest_age_seconds);
  if (!domain.up) return;
  if (gauges.up == nullptr) {
    gauges.up = &metrics_.MakeGauge(
        kUpName, "Whether this node sees the domain's primary; domains with most mail", labels);
  }
  gauges.up->Set(*domain.up ? 1 : 0);
}

void DeliveryMetrics::SetRoutes(const std::map<std::string, int>& routes_by_state) {
  for (const auto& [state, count] : routes_by_state) {
    metrics_.MakeGauge("routes", "Routes by what this node thinks of them", {{"state", state}})
        .Set(count);
  }
}

}  // namespace fermo::node
