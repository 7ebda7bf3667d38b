// What the spool counts (docs/operations.md lists the metrics).
//
// Children are looked up once; safe from the core executor only.
#pragma once

#include <map>
#include <string_view>

#include "lib/cluster/replica.h"
#include "lib/net/metrics.h"
#include "node/store/spool_store.h"

namespace fermo::node {

class SpoolMetrics {
 public:
  SpoolMetrics(net::Metrics& metrics, const SpoolStore& store);

  void Accepted(uint64_t bytes, Duration taken);
  void Refused(Duration taken);
  // Counts it by what it is; true if it is also worth a line in the log.
  bool Noted(const cluster::Note& note);
  void Refresh(const cluster::Replica::View& view, size_t queued_peer_bytes);

 private:
  void RefreshStore(const SpoolStore& store);

  net::Metrics& metrics_;
  net::Counter& accepted_;
  net::Counter& accepted_bytes_;
  net::Histogram& durable_seconds_;
  net::Counter& refused_;
  net::Gauge& segments_;
  net::Gauge& owned_;
  net::Gauge& held_;
  net::Gauge& under_replicated_;
  net::Gauge& at_risk_;
  net::Gauge& suspect_;
  net::Gauge& surviving_;
  net::Gauge& repairs_;
  net::Gauge& live_peers_;
  net::Gauge& peer_queue_bytes_;
  net::Gauge& write_stopped_;
  net::Gauge& pending_compaction_;
  net::Gauge& background_errors_;
  net::Gauge& level0_files_;
  net::Gauge& store_queue_bytes_;
  net::Counter& synced_commits_;
  net::Counter& commits_;
  net::Counter& sync_seconds_;
  net::Counter& survivor_deliveries_;
  struct Counted {
    net::Counter* counter = nullptr;
    bool logged = true;
  };
  std::map<std::string_view, Counted> events_;
};

}  // namespace fermo::node
