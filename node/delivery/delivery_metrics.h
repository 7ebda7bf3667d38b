// What delivery counts.
//
// Owned by the deliverer and used on its executor; the Metrics outlive it.
// Children are looked up once and kept. Nothing fails.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/time.h"
#include "lib/net/metrics.h"

namespace fermo::node {

class DeliveryMetrics {
 public:
  explicit DeliveryMetrics(net::Metrics& metrics);

  // `result` from a closed set; `code` of the reply that decided, 0 if none did.
  void CountAttempt(std::string_view result, int code, Duration duration);
  void CountDelivery(Duration since_acceptance);
  void CountDamaged() { damaged_.Increment(); }
  void CountProbe(bool ok) { (ok ? probes_ok_ : probes_failed_).Increment(); }

  struct QueueState {
    std::string_view state;
    uint64_t messages = 0;
    uint64_t bytes = 0;
  };
  void SetQueue(const QueueState& state);

  struct DomainState {
    std::string domain;
    double oldest_age_seconds = 0;
    std::optional<bool> up;  // nullopt: nothing known yet
  };
  // Exactly these domains have series afterwards.
  void SetDomains(const std::vector<DomainState>& domains);
  void SetRoutes(const std::map<std::string, int>& routes_by_state);

 private:
  struct DomainGauges {
    net::Gauge* oldest = nullptr;
    net::Gauge* up = nullptr;
  };
  void SetDomain(const DomainState& domain, DomainGauges& gauges);

  net::Metrics& metrics_;
  net::Counter& damaged_;
  net::Counter& probes_ok_;
  net::Counter& probes_failed_;
  net::Histogram& delay_;
  std::map<std::pair<std::string, std::string>, net::Counter*> attempts_;
  std::map<std::string, net::Histogram*> durations_;
  std::map<std::string, std::pair<net::Gauge*, net::Gauge*>> queues_;
  std::map<std::string, DomainGauges> domains_;
};

}  // namespace fermo::node
