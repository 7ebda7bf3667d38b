// The log: JSON lines, one event a line, with a closed set of keys.
//
// A Logger is a cheap handle on a shared sink; copy it or pass it by reference.
// All calls are thread-safe and never block: the queue to the writing thread is
// bounded, and when it is full the oldest line makes room and is counted. Every
// foreign string is escaped, so that no sender can forge a line. Nothing fails.
//
//   log.Info("message_accepted", {{log::kMessageId, id}, {log::kBytes, size}});
//   {"ts":"2024-05-01T12:00:00.123Z","level":"info","component":"accept",
//    "event":"message_accepted","message_id":"5f3a9c0e12b47d68-3-1-2a","bytes":4096}
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/ids.h"
#include "lib/base/time.h"

namespace fermo {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError, kOff };

// "debug", "info", "warning", "error"; "" is info.
absl::StatusOr<LogLevel> ParseLogLevel(std::string_view text);
std::string_view ToString(LogLevel level);

namespace log {

// Every key that a line may have besides ts, level, component and event, which
// the Logger writes itself. Add here, in docs/operations.md, and nowhere else.
enum Key : uint8_t {
  kMsg,        // a sentence for people
  kMessageId,  // on everything that concerns a message
  kSessionId,  // one SMTP session
  kSegment,
  kSeq,
  kLeg,
  kEpoch,
  kNode,
  kHolder,
  kOwner,
  kRegion,
  kPeer,  // the other end: address or node name
  kDomain,
  kRoute,
  kState,
  kCode,   // SMTP reply code or status code
  kReply,  // text of an SMTP reply
  kVerb,   // SMTP verb or RPC method
  kCount,
  kBytes,
  kSeconds,
  kReason,
  kError,  // an absl::Status
  kFile,
  kLine,
  kAddress,
  kSignal,
  kVersion,
  kGeneration,
  kOperator,
  kKeyCount  // not a key
};
std::string_view KeyName(Key key);

}  // namespace log

// A value of a field: borrowed or small, formatted only if the line is written.
class LogValue {
 public:
  LogValue(std::string_view text) : value_(text) {}                      // NOLINT
  LogValue(const std::string& text) : value_(std::string_view(text)) {}  // NOLINT
  LogValue(const char* text) : value_(std::string_view(text)) {}         // NOLINT
  LogValue(absl::string_view text)
      : value_(std::string_view(text.data(), text.size())) {}  // NOLINT
  LogValue(bool value) : value_(value) {}                      // NOLINT
  LogValue(double value) : value_(value) {}                    // NOLINT
  template <class Rep, class Period>
  LogValue(std::chrono::duration<Rep, Period> value)  // NOLINT
      : value_(std::chrono::duration<double>(value).count()) {}
  LogValue(std::signed_integral auto value) : value_(int64_t{value}) {}     // NOLINT
  LogValue(std::unsigned_integral auto value) : value_(uint64_t{value}) {}  // NOLINT
  LogValue(NodeId id) : value_(id) {}                                       // NOLINT
  LogValue(Seq seq) : value_(uint64_t{seq.value()}) {}                      // NOLINT
  LogValue(Epoch epoch) : value_(uint64_t{epoch.value()}) {}                // NOLINT
  LogValue(const SegmentId& id) : value_(id) {}                             // NOLINT
  LogValue(const MessageId& id) : value_(id) {}                             // NOLINT
  LogValue(const absl::Status& status) : value_(&status) {}                 // NOLINT

 private:
  friend class Logger;
  std::variant<std::string_view, bool, double, int64_t, uint64_t, NodeId, SegmentId, MessageId,
               const absl::Status*>
      value_;
};

struct LogField {
  log::Key key;
  LogValue value;
};

class Logger {
 public:
  using Fields = std::initializer_list<LogField>;
  using LineSink = std::function<void(std::string_view line)>;

  // Lines to stdout by a thread of its own, in order, flushed one by one. The
  // last handle to go writes out what is queued.
  static Logger ToStdout(LogLevel level, std::string_view component);
  // Lines (without newline) to `sink`, called under a lock: for tests and tools.
  static Logger ToSink(LogLevel level, std::string_view component, LineSink sink);
  // Goes nowhere.
  static Logger Null();

  // The same sink and level, another "component".
  Logger ForComponent(std::string_view component) const;

  void Debug(std::string_view event, Fields fields = {}) const {
    if (On(LogLevel::kDebug)) Write(LogLevel::kDebug, event, fields);
  }
  void Info(std::string_view event, Fields fields = {}) const {
    if (On(LogLevel::kInfo)) Write(LogLevel::kInfo, event, fields);
  }
  void Warning(std::string_view event, Fields fields = {}) const {
    if (On(LogLevel::kWarning)) Write(LogLevel::kWarning, event, fields);
  }
  void Error(std::string_view event, Fields fields = {}) const {
    if (On(LogLevel::kError)) Write(LogLevel::kError, event, fields);
  }

  bool On(LogLevel level) const;
  // For all handles of this sink.
  void SetLevel(LogLevel level) const;
  // Lines that made room for newer ones.
  uint64_t dropped() const;

 private:
  class Core;
  Logger(std::shared_ptr<Core> core, std::string component);
  void Write(LogLevel level, std::string_view event, Fields fields) const;

  std::shared_ptr<Core> core_;
  const std::atomic<LogLevel>* level_;  // in *core_
  std::string component_;
};

// Appends `text` as the inside of a JSON string: quotes, backslashes, control
// characters (C0, DEL, C1), line and bidirectional marks are escaped; octets
// that are not UTF-8 become U+FFFD; text beyond kMaxLoggedText is cut off with "...".
inline constexpr size_t kMaxLoggedText = 2048;
void AppendJsonEscaped(std::string_view text, std::string* out);

}  // namespace fermo
