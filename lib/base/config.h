// Configuration files: YAML checked against a protobuf schema.
//
// The schema is a protobuf message read by reflection; this header knows no
// particular one. Scalars are read as they stand: 010 is ten, `no` is not a
// boolean. Refused: unknown, repeated and mistyped keys, keys without a value,
// anchors, aliases, merge keys, tags, several documents, files above 1 MiB.
//
// Plain functions, no threads. A failed load returns InvalidArgument (or the
// error of reading the file) whose message has one line for each problem,
// "file:line: path: problem", and leaves *out unspecified.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/host_port.h"
#include "lib/base/log.h"
#include "lib/base/time.h"
#include "lib/base/units.h"

namespace google::protobuf {
class Message;
}

namespace fermo {

inline constexpr size_t kMaxConfigSize = 1 << 20;

// Where each key stood: "delivery.dns_servers[0]" -> line.
class ConfigSource {
 public:
  ConfigSource() = default;
  explicit ConfigSource(std::string file) : file_(std::move(file)) {}

  const std::string& file() const { return file_; }
  void Note(std::string path, int line) { lines_.insert_or_assign(std::move(path), line); }
  // The line of the key, else of the nearest key above it, else 1.
  int LineOf(std::string_view path) const;
  bool Has(std::string_view path) const { return lines_.contains(path); }
  // "file:line: path: problem".
  std::string Describe(std::string_view path, std::string_view problem) const;

 private:
  std::string file_;
  std::map<std::string, int, std::less<>> lines_;
};

// Reads the file into *out, which is cleared first. `source` may be null.
absl::Status LoadYaml(const std::string& file, google::protobuf::Message* out,
                      ConfigSource* source = nullptr);
// The same for text in memory; `file` is only named in problems.
absl::Status ParseYaml(std::string_view text, const std::string& file,
                       google::protobuf::Message* out, ConfigSource* source = nullptr);

// The fields that are set, as YAML that LoadYaml reads back: for --print-config.
std::string ToYaml(const google::protobuf::Message& message);

// Collects what a program finds wrong with the values, so that all of it is
// reported at once. Each helper returns a usable value even after a problem.
class FieldErrors {
 public:
  // `source` must outlive this.
  explicit FieldErrors(const ConfigSource& source) : source_(source) {}

  void Add(std::string_view path, std::string_view problem);
  void Add(std::string_view path, const absl::Status& status);

  // Adds "is required" if the text is empty.
  bool Require(std::string_view path, std::string_view value);
  // Adds a problem unless the text is a name such as the coordinator takes for a
  // process and a region: 1 to 63 letters, digits, '-', '_' or '.'.
  bool RequireName(std::string_view path, std::string_view value);
  // The value, or the default if the text is empty.
  Duration DurationOr(std::string_view path, std::string_view text, Duration fallback);
  uint64_t SizeOr(std::string_view path, std::string_view text, uint64_t fallback);
  LogLevel LogLevelOr(std::string_view path, std::string_view text, LogLevel fallback);
  // Required.
  HostPort RequiredHostPort(std::string_view path, std::string_view text,
                            std::optional<uint16_t> default_port = std::nullopt);
  // Adds a problem unless low <= value <= high.
  bool InRange(std::string_view path, uint64_t value, uint64_t low, uint64_t high);
  // Each adds a problem unless the host is on loopback (for `insecure: true`), is
  // an address, is one that can be listened on, the port is one that others can
  // connect to. A place without a host was reported already.
  bool RequireLoopback(std::string_view path, const HostPort& place);
  bool RequireAddress(std::string_view path, const HostPort& place);
  bool RequireListenable(std::string_view path, const HostPort& place);
  bool RequirePort(std::string_view path, const HostPort& place);

  bool ok() const { return problems_.empty(); }
  // Ok, or InvalidArgument with one line for each problem, in order of lines.
  absl::Status ToStatus() const;

 private:
  struct Problem {
    int line;
    std::string text;
  };
  const ConfigSource& source_;
  std::vector<Problem> problems_;
};

}  // namespace fermo
