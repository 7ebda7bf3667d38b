#include "lib/net/metrics.h"

#include <dirent.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>

#include "lib/base/time.h"

namespace fermo::net {
namespace {

constexpr char kPrefix[] = "fermoposta_";

// What /proc/self/stat says (proc(5)).
struct ProcessStat {
  double cpu_seconds = 0;
  double virtual_octets = 0;
  double resident_octets = 0;
  double start_since_boot = 0;  // seconds
};

ProcessStat ReadProcessStat() {
  ProcessStat result;
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  // The second field is the name in parentheses and may hold anything.
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return result;
  std::istringstream fields(line.substr(name_end + 1));
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const double page = static_cast<double>(sysconf(_SC_PAGESIZE));
  std::string field;
  for (int number = 3; fields >> field; ++number) {
    if (number == 14 || number == 15) result.cpu_seconds += std::stod(field) / ticks;
    if (number == 22) result.start_since_boot = std::stod(field) / ticks;
    if (number == 23) result.virtual_octets = std::stod(field);
    if (number == 24) result.resident_octets = std::stod(field) * page;
  }
  return result;
}

double StartTime() {
  using Seconds = std::chrono::duration<double>;
  const double age =
      Seconds(BootClock::now().time_since_epoch()).count() - ReadProcessStat().start_since_boot;
  return Seconds(WallNow().time_since_epoch()).count() - age;
}

double CountDescriptors() {
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) return 0;
  int count = 0;
  while (const dirent* entry = readdir(directory)) count += entry->d_name[0] != '.';
  closedir(directory);
  return count - 1;  // not our own look
}

// Without the prefix: the names that every exporter uses for a process.
// noexcept: one name as two kinds is a bug, and ends here.
Gauge* ProcessGauge(prometheus::Registry* registry, const char* name, const char* help) noexcept {
  return &prometheus::BuildGauge().Name(name).Help(help).Register(*registry).Add({});
}

std::vector<double> Doubled(double first, int count) {
  std::vector<double> buckets;
  for (int i = 0; i < count; ++i, first *= 2) buckets.push_back(first);
  return buckets;
}

}  // namespace

Metrics::Metrics(const std::string& version) {
  Labels labels;
  labels.emplace("version", version);
  MakeGauge("build_info", "Always 1; says which version runs.", labels).Set(1);
  cpu_seconds_ = &prometheus::BuildCounter()
                      .Name("process_cpu_seconds_total")
                      .Help("User and system CPU time.")
                      .Register(registry_)
                      .Add({});
  ProcessGauge(&registry_, "process_start_time_seconds", "Unix time of the start.")
      ->Set(StartTime());
  resident_ = ProcessGauge(&registry_, "process_resident_memory_bytes", "Memory in RAM.");
  virtual_ = ProcessGauge(&registry_, "process_virtual_memory_bytes", "Address space.");
  descriptors_ = ProcessGauge(&registry_, "process_open_fds", "Open file descriptors.");
  max_descriptors_ = ProcessGauge(&registry_, "process_max_fds", "Limit of file descriptors.");
}

Counter& Metrics::MakeCounter(const std::string& name, const std::string& help,
                              const Labels& labels) noexcept {
  return prometheus::BuildCounter().Name(kPrefix + name).Help(help).Register(registry_).Add(labels);
}

Gauge& Metrics::MakeGauge(const std::string& name, const std::string& help,
                          const Labels& labels) noexcept {
  auto& family = prometheus::BuildGauge().Name(kPrefix + name).Help(help).Register(registry_);
  std::lock_guard lock(mutex_);
  gauges_[name] = &family;
  return family.Add(labels);
}

Histogram& Metrics::MakeHistogram(const std::string& name, const std::string& help,
                                  const std::vector<double>& buckets,
                                  const Labels& labels) noexcept {
  return prometheus::BuildHistogram()
      .Name(kPrefix + name)
      .Help(help)
      .Register(registry_)
      .Add(labels, buckets);
}

void Metrics::RemoveGauge(const std::string& name, Gauge* gauge) {
  std::lock_guard lock(mutex_);
  const auto family = gauges_.find(name);
  if (family != gauges_.end()) family->second->Remove(gauge);
}

void Metrics::BeforeScrape(std::function<void()> refresh) {
  std::lock_guard lock(mutex_);
  refreshers_.push_back(std::move(refresh));
}

std::string Metrics::Serialize() {
  std::vector<std::function<void()>> refreshers;
  {
    std::lock_guard lock(mutex_);
    RefreshProcess();
    refreshers = refreshers_;
  }
  // Outside the lock: they may make metrics themselves.
  for (const auto& refresh : refreshers) refresh();
  return prometheus::TextSerializer().Serialize(registry_.Collect());
}

void Metrics::RefreshProcess() {
  const ProcessStat stat = ReadProcessStat();
  const double cpu = stat.cpu_seconds - cpu_seconds_->Value();
  if (cpu > 0) cpu_seconds_->Increment(cpu);
  resident_->Set(stat.resident_octets);
  virtual_->Set(stat.virtual_octets);
  descriptors_->Set(CountDescriptors());
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    max_descriptors_->Set(static_cast<double>(limit.rlim_cur));
  }
}

std::vector<double> DiskBuckets() { return Doubled(0.001, 14); }

std::vector<double> LatencyBuckets() {
  return {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60};
}

std::vector<double> DelayBuckets() {
  return {1, 2, 5, 15, 60, 300, 900, 3600, 14400, 43200, 86400, 259200, 432000};
}

}  // namespace fermo::net
