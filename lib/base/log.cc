#include "lib/base/log.h"

#include <array>
#include <cmath>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "fmt/chrono.h"
#include "fmt/format.h"
#include "spdlog/async.h"
#include "spdlog/sinks/stdout_sinks.h"

namespace fermo {
namespace {

// About 2 MiB of lines of usual length; a burst beyond it loses its oldest lines.
constexpr size_t kQueuedLines = 8192;

constexpr std::array<std::string_view, log::kKeyCount> kKeyNames = {
    "msg",    "message_id", "session_id", "segment", "seq",        "leg",     "epoch", "node",
    "holder", "owner",      "region",     "peer",    "domain",     "route",   "state", "code",
    "reply",  "verb",       "count",      "bytes",   "seconds",    "reason",  "error", "file",
    "line",   "address",    "signal",     "version", "generation", "operator"};
static_assert(!kKeyNames.back().empty(), "a key has no name");

void AppendQuoted(std::string_view text, std::string* out) {
  out->push_back('"');
  AppendJsonEscaped(text, out);
  out->push_back('"');
}

// Writes each kind of value as JSON.
struct ValueWriter {
  std::string* out;

  void operator()(std::string_view text) const { AppendQuoted(text, out); }
  void operator()(bool value) const { out->append(value ? "true" : "false"); }
  void operator()(double value) const {
    // JSON has no infinity.
    if (!std::isfinite(value)) {
      out->append("null");
    } else {
      fmt::format_to(std::back_inserter(*out), "{:.6g}", value);
    }
  }
  void operator()(int64_t value) const { fmt::format_to(std::back_inserter(*out), "{}", value); }
  void operator()(uint64_t value) const { fmt::format_to(std::back_inserter(*out), "{}", value); }
  void operator()(NodeId id) const { AppendQuoted(ToString(id), out); }
  void operator()(const SegmentId& id) const { AppendQuoted(ToString(id), out); }
  void operator()(const MessageId& id) const { AppendQuoted(ToString(id), out); }
  void operator()(const absl::Status* status) const { AppendQuoted(status->ToString(), out); }
};

}  // namespace

absl::StatusOr<LogLevel> ParseLogLevel(std::string_view text) {
  if (text.empty() || text == "info") return LogLevel::kInfo;
  if (text == "debug") return LogLevel::kDebug;
  if (text == "warning") return LogLevel::kWarning;
  if (text == "error") return LogLevel::kError;
  return absl::InvalidArgumentError("must be debug, info, warning or error");
}

std::string_view ToString(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
    case LogLevel::kOff:
      break;
  }
  return "off";
}

std::string_view log::KeyName(Key key) { return kKeyNames.at(key); }

// Where lines go. Shared by all handles; the last one to go destroys it, and
// with it the writing thread, after what is queued has been written.
class Logger::Core {
 public:
  Core(LogLevel level, LineSink sink) : level_(level), sink_(std::move(sink)) {}

  explicit Core(LogLevel level)
      : level_(level),
        pool_(std::make_shared<spdlog::details::thread_pool>(kQueuedLines, 1)),
        // This sink flushes each line itself.
        async_(std::make_shared<spdlog::async_logger>(
            "fermoposta", std::make_shared<spdlog::sinks::stdout_sink_mt>(), pool_,
            spdlog::async_overflow_policy::overrun_oldest)) {
    async_->set_pattern("%v");
    async_->set_level(spdlog::level::trace);
  }

  const std::atomic<LogLevel>* level() const { return &level_; }
  void set_level(LogLevel level) { level_.store(level, std::memory_order_relaxed); }
  uint64_t dropped() const { return pool_ ? pool_->overrun_counter() : 0; }

  void Emit(const std::string& line) {
    if (async_) {
      async_->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
    } else if (sink_) {
      std::lock_guard lock(mutex_);
      sink_(line);
    }
  }

 private:
  std::atomic<LogLevel> level_;
  std::mutex mutex_;
  LineSink sink_;
  std::shared_ptr<spdlog::details::thread_pool> pool_;
  std::shared_ptr<spdlog::async_logger> async_;
};

Logger::Logger(std::shared_ptr<Core> core, std::string component)
    : core_(std::move(core)), level_(core_->level()), component_(std::move(component)) {}

Logger Logger::ToStdout(LogLevel level, std::string_view component) {
  return Logger(std::make_shared<Core>(level), std::string(component));
}

Logger Logger::ToSink(LogLevel level, std::string_view component, LineSink sink) {
  return Logger(std::make_shared<Core>(level, std::move(sink)), std::string(component));
}

Logger Logger::Null() {
  return Logger(std::make_shared<Core>(LogLevel::kOff, LineSink()), std::string());
}

Logger Logger::ForComponent(std::string_view component) const {
  return Logger(core_, std::string(component));
}

bool Logger::On(LogLevel level) const { return level >= level_->load(std::memory_order_relaxed); }

void Logger::SetLevel(LogLevel level) const { core_->set_level(level); }

uint64_t Logger::dropped() const { return core_->dropped(); }

void Logger::Write(LogLevel level, std::string_view event, Fields fields) const {
  // Events and components are literals of ours, but nothing costs less than
  // not having to trust that.
  const WallTime now = WallNow();
  const auto millis = now.time_since_epoch().count() % 1000;
  std::string line;
  line.reserve(256);
  fmt::format_to(std::back_inserter(line),
                 "{{\"ts\":\"{:%Y-%m-%dT%H:%M:%S}.{:03}Z\",\"level\":\"{}\"",
                 fmt::gmtime(std::chrono::system_clock::to_time_t(now)), millis, ToString(level));
  line.append(",\"component\":");
  AppendQuoted(component_, &line);
  line.append(",\"event\":");
  AppendQuoted(event, &line);
  for (const LogField& field : fields) {
    line.append(",\"").append(log::KeyName(field.key)).append("\":");
    std::visit(ValueWriter{&line}, field.value.value_);
  }
  line.push_back('}');
  core_->Emit(line);
}

}  // namespace fermo
