// ConfigSource and FieldErrors: see config.h.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/config.h"

namespace fermo {
namespace {

constexpr size_t kMaxName = 63;

bool IsNameCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
}

}  // namespace

int ConfigSource::LineOf(std::string_view path) const {
  while (!path.empty()) {
    const auto found = lines_.find(path);
    if (found != lines_.end()) return found->second;
    const size_t cut = path.find_last_of(".[");
    path = cut == std::string_view::npos ? std::string_view() : path.substr(0, cut);
  }
  return 1;
}

std::string ConfigSource::Describe(std::string_view path, std::string_view problem) const {
  std::string text = absl::StrCat(file_, ":", LineOf(path), ": ");
  if (!path.empty()) text.append(path).append(": ");
  return text.append(problem);
}

void FieldErrors::Add(std::string_view path, std::string_view problem) {
  problems_.push_back({source_.LineOf(path), source_.Describe(path, problem)});
}

void FieldErrors::Add(std::string_view path, const absl::Status& status) {
  Add(path, std::string_view(status.message().data(), status.message().size()));
}

bool FieldErrors::Require(std::string_view path, std::string_view value) {
  if (value.empty()) Add(path, "is required");
  return !value.empty();
}

bool FieldErrors::RequireName(std::string_view path, std::string_view value) {
  if (!Require(path, value)) return false;
  if (value.size() <= kMaxName && std::all_of(value.begin(), value.end(), IsNameCharacter)) {
    return true;
  }
  Add(path, absl::StrCat("must be 1 to ", kMaxName, " letters, digits, '-', '_' or '.'"));
  return false;
}

Duration FieldErrors::DurationOr(std::string_view path, std::string_view text, Duration fallback) {
  if (text.empty()) return fallback;
  const absl::StatusOr<Duration> parsed = ParseDuration(text);
  if (parsed.ok()) return *parsed;
  Add(path, parsed.status());
  return fallback;
}

uint64_t FieldErrors::SizeOr(std::string_view path, std::string_view text, uint64_t fallback) {
  if (text.empty()) return fallback;
  const absl::StatusOr<uint64_t> parsed = ParseSize(text);
  if (parsed.ok()) return *parsed;
  Add(path, parsed.status());
  return fallback;
}

LogLevel FieldErrors::LogLevelOr(std::string_view path, std::string_view text, LogLevel fallback) {
  if (text.empty()) return fallback;
  const absl::StatusOr<LogLevel> parsed = ParseLogLevel(text);
  if (parsed.ok()) return *parsed;
  Add(path, parsed.status());
  return fallback;
}

HostPort FieldErrors::RequiredHostPort(std::string_view path, std::string_view text,
                                       std::optional<uint16_t> default_port) {
  if (!Require(path, text)) return HostPort();
  const absl::StatusOr<HostPort> parsed = ParseHostPort(text, default_port);
  if (parsed.ok()) return *parsed;
  Add(path, parsed.status());
  return HostPort();
}

bool FieldErrors::InRange(std::string_view path, uint64_t value, uint64_t low, uint64_t high) {
  if (value >= low && value <= high) return true;
  Add(path, absl::StrCat("must be from ", low, " to ", high));
  return false;
}

bool FieldErrors::RequireLoopback(std::string_view path, const HostPort& place) {
  // An empty host was already reported.
  if (place.host.empty() || IsLoopback(place.host)) return true;
  Add(path, "must be a loopback address, because insecure is true");
  return false;
}

bool FieldErrors::RequireAddress(std::string_view path, const HostPort& place) {
  if (place.host.empty() || IsIpLiteral(place.host)) return true;
  Add(path, "must be an IP address; names are not looked up here");
  return false;
}

bool FieldErrors::RequireListenable(std::string_view path, const HostPort& place) {
  if (place.host.empty() || IsListenable(place.host)) return true;
  Add(path, "must be an IP address or localhost; names are not looked up here");
  return false;
}

bool FieldErrors::RequirePort(std::string_view path, const HostPort& place) {
  if (place.host.empty() || place.port != 0) return true;
  Add(path, "port 0 is no port that others can connect to");
  return false;
}

absl::Status FieldErrors::ToStatus() const {
  if (problems_.empty()) return absl::OkStatus();
  std::vector<Problem> sorted = problems_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Problem& a, const Problem& b) { return a.line < b.line; });
  return absl::InvalidArgumentError(absl::StrJoin(
      sorted, "\n", [](std::string* out, const Problem& problem) { out->append(problem.text); }));
}

}  // namespace fermo
