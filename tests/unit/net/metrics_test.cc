#include "lib/net/metrics.h"

#include <thread>

#include "gtest/gtest.h"

namespace fermo::net {
namespace {

// The value of the sample that starts with `name`, or -1.
double Sample(const std::string& text, const std::string& name) {
  const size_t at = text.find("\n" + name + " ");
  if (at == std::string::npos) return -1;
  return std::stod(text.substr(at + name.size() + 2));
}

TEST(MetricsTest, NamesGetThePrefixAndKeepTheirHelp) {
  Metrics metrics("1.2.3");
  Labels labels = {{"verb", "rcpt"}, {"class", "2xx"}};
  Counter& counter = metrics.MakeCounter("smtp_replies_total", "Replies.", labels);
  counter.Increment();
  counter.Increment(2);
  metrics.MakeGauge("smtp_connections", "Open connections.").Set(7);
  metrics.MakeHistogram("accept_duration_seconds", "Time.", DiskBuckets()).Observe(0.0015);
  const std::string text = metrics.Serialize();
  EXPECT_NE(text.find("# HELP fermoposta_smtp_replies_total Replies.\n"
                      "# TYPE fermoposta_smtp_replies_total counter\n"),
            std::string::npos);
  EXPECT_EQ(Sample(text, "fermoposta_smtp_replies_total{class=\"2xx\",verb=\"rcpt\"}"), 3);
  EXPECT_EQ(Sample(text, "fermoposta_smtp_connections"), 7);
  EXPECT_EQ(Sample(text, "fermoposta_accept_duration_seconds_bucket{le=\"0.001\"}"), 0);
  EXPECT_EQ(Sample(text, "fermoposta_accept_duration_seconds_bucket{le=\"0.002\"}"), 1);
  EXPECT_EQ(Sample(text, "fermoposta_build_info{version=\"1.2.3\"}"), 1);
}

TEST(MetricsTest, TheSameNameAndLabelsAreTheSameChild) {
  Metrics metrics("1");
  Labels labels = {{"peer", "roma"}};
  EXPECT_EQ(&metrics.MakeGauge("lag", "Lag.", labels), &metrics.MakeGauge("lag", "Lag.", labels));
  EXPECT_NE(&metrics.MakeGauge("lag", "Lag.", labels), &metrics.MakeGauge("lag", "Lag."));
}

TEST(MetricsTest, ARemovedGaugeIsNoLongerWritten) {
  Metrics metrics("1");
  Labels labels = {{"peer", "roma"}};
  Gauge& gauge = metrics.MakeGauge("lag", "Lag.", labels);
  EXPECT_NE(metrics.Serialize().find("peer=\"roma\""), std::string::npos);
  metrics.RemoveGauge("lag", &gauge);
  metrics.RemoveGauge("unheard_of", nullptr);
  EXPECT_EQ(metrics.Serialize().find("peer=\"roma\""), std::string::npos);
}

TEST(MetricsTest, RefreshersRunBeforeEachScrape) {
  Metrics metrics("1");
  Gauge& gauge = metrics.MakeGauge("queue_messages", "Waiting.");
  int scrapes = 0;
  metrics.BeforeScrape([&] { gauge.Set(++scrapes); });
  metrics.BeforeScrape([&] { metrics.MakeGauge("late", "Made while scraping.").Set(1); });
  EXPECT_EQ(Sample(metrics.Serialize(), "fermoposta_queue_messages"), 1);
  const std::string text = metrics.Serialize();
  EXPECT_EQ(Sample(text, "fermoposta_queue_messages"), 2);
  EXPECT_EQ(Sample(text, "fermoposta_late"), 1);
}

TEST(MetricsTest, TheProcessDescribesItself) {
  Metrics metrics("1");
  const auto busy = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  while (std::chrono::steady_clock::now() < busy) {
  }
  const std::string text = metrics.Serialize();
  EXPECT_GT(Sample(text, "process_resident_memory_bytes"), 1e6);
  EXPECT_GT(Sample(text, "process_virtual_memory_bytes"), 1e6);
  EXPECT_GE(Sample(text, "process_open_fds"), 3);
  EXPECT_GT(Sample(text, "process_max_fds"), 10);
  EXPECT_GT(Sample(text, "process_cpu_seconds_total"), 0);
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_NEAR(Sample(text, "process_start_time_seconds"), now, 300);
}

TEST(MetricsDeathTest, OneNameAsTwoKindsIsABug) {
  Metrics metrics("1");
  metrics.MakeGauge("thing", "A gauge.");
  EXPECT_DEATH(metrics.MakeCounter("thing", "A counter."), "");
}

TEST(MetricsTest, ScrapesAndCountsGoOnAtOnce) {
  Metrics metrics("1");
  Counter& counter = metrics.MakeCounter("hot_total", "Hot.");
  std::thread thread([&counter] {
    for (int i = 0; i < 10'000; ++i) counter.Increment();
  });
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(metrics.Serialize().empty());
  thread.join();
  EXPECT_EQ(Sample(metrics.Serialize(), "fermoposta_hot_total"), 10'000);
}

}  // namespace
}  // namespace fermo::net
