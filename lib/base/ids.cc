#include "lib/base/ids.h"

#include <charconv>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fmt/format.h"

namespace fermo {
namespace {

template <class T>
bool ParseHex(std::string_view text, T& out) {
  if (text.empty() || text.size() > sizeof(T) * 2) return false;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, 16);
  return error == std::errc() && end == text.data() + text.size();
}

// Splits at '-' into exactly `count` parts; empty on any other count.
std::vector<std::string_view> SplitParts(std::string_view text, size_t count) {
  std::vector<std::string_view> parts;
  while (true) {
    size_t dash = text.find('-');
    parts.push_back(text.substr(0, dash));
    if (dash == std::string_view::npos) break;
    if (parts.size() == count) return {};
    text.remove_prefix(dash + 1);
  }
  return parts.size() == count ? parts : std::vector<std::string_view>{};
}

bool ParseSegmentParts(const std::vector<std::string_view>& parts, SegmentId& out) {
  uint64_t writer = 0;
  if (parts[0].size() != 16 || !ParseHex(parts[0], writer)) return false;
  if (!ParseHex(parts[1], out.boot) || !ParseHex(parts[2], out.number)) return false;
  out.writer = NodeId(writer);
  return true;
}

absl::Status Malformed(const char* what, std::string_view text, const char* shape) {
  return absl::InvalidArgumentError(
      fmt::format("\"{}\" is not a {}: expected {}", text.substr(0, 80), what, shape));
}

}  // namespace

std::string ToString(NodeId id) { return fmt::format("{:016x}", id.value()); }

std::string ToString(const SegmentId& id) {
  return fmt::format("{:016x}-{:x}-{:x}", id.writer.value(), id.boot, id.number);
}

std::string ToString(const MessageId& id) {
  return fmt::format("{}-{:x}", ToString(id.segment), id.seq.value());
}

absl::StatusOr<NodeId> ParseNodeId(std::string_view text) {
  uint64_t value = 0;
  if (text.size() != 16 || !ParseHex(text, value)) {
    return Malformed("node id", text, "16 hex digits");
  }
  return NodeId(value);
}

absl::StatusOr<SegmentId> ParseSegmentId(std::string_view text) {
  SegmentId id;
  auto parts = SplitParts(text, 3);
  if (parts.empty() || !ParseSegmentParts(parts, id)) {
    return Malformed("segment id", text, "WRITER-BOOT-NUMBER in hex");
  }
  return id;
}

absl::StatusOr<MessageId> ParseMessageId(std::string_view text) {
  MessageId id;
  uint32_t seq = 0;
  auto parts = SplitParts(text, 4);
  if (parts.empty() || !ParseSegmentParts(parts, id.segment) || !ParseHex(parts[3], seq)) {
    return Malformed("message id", text, "WRITER-BOOT-NUMBER-SEQ in hex");
  }
  id.seq = Seq(seq);
  return id;
}

}  // namespace fermo
