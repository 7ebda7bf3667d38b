// The metrics of one process, in Prometheus' text form.
//
// Thread-safe. Names are given without the prefix "fermoposta_". A child
// (counter, gauge, histogram with its labels) lives as long as the Metrics: ask
// for it once and keep the reference, since finding it takes a lock and a counter
// alone costs 11 ns. Labels come from closed sets: never a sender or message id.
// Asking for one name as two kinds, or an invalid name, is a bug and aborts.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/labels.h>
#include <prometheus/registry.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace fermo::net {

using Counter = prometheus::Counter;
using Gauge = prometheus::Gauge;
using Histogram = prometheus::Histogram;
using Labels = prometheus::Labels;

class Metrics {
 public:
  // Sets build_info{version} and start time; adds process_* of this process.
  explicit Metrics(const std::string& version);

  Counter& MakeCounter(const std::string& name, const std::string& help,
                       const Labels& labels = {}) noexcept;
  Gauge& MakeGauge(const std::string& name, const std::string& help,
                   const Labels& labels = {}) noexcept;
  // Seconds, unless the name says otherwise. All children of a name share the buckets.
  Histogram& MakeHistogram(const std::string& name, const std::string& help,
                           const std::vector<double>& buckets, const Labels& labels = {}) noexcept;
  // For gauges whose label set changes (a peer that has left): the child goes.
  void RemoveGauge(const std::string& name, Gauge* gauge);

  // Called before each scrape, on the scraper's thread, to refresh gauges.
  void BeforeScrape(std::function<void()> refresh);

  // The answer to GET /metrics; its type is kContentType.
  std::string Serialize();
  static constexpr char kContentType[] = "text/plain; version=0.0.4; charset=utf-8";

 private:
  void RefreshProcess();

  prometheus::Registry registry_;
  std::mutex mutex_;
  std::vector<std::function<void()>> refreshers_;
  std::map<std::string, prometheus::Family<Gauge>*> gauges_;
  Counter* cpu_seconds_ = nullptr;
  Gauge* resident_ = nullptr;
  Gauge* virtual_ = nullptr;
  Gauge* descriptors_ = nullptr;
  Gauge* max_descriptors_ = nullptr;
};

// 1 ms doubled to 8 s: syncs and replication.
std::vector<double> DiskBuckets();
// 5 ms to 60 s: what a client waits for.
std::vector<double> LatencyBuckets();
// 1 s to 5 d: from acceptance to delivery.
std::vector<double> DelayBuckets();

}  // namespace fermo::net
