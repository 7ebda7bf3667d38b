#include "coordinator/operations/page_token.h"

#include <algorithm>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "fmt/format.h"

namespace fermo::coordinator {
namespace {

constexpr size_t kMaxToken = 1024;

absl::Status Foreign() {
  return absl::InvalidArgumentError(
      "page_token: is not from this listing; leave it out to start again");
}

std::string Wrap(const std::string& text) { return absl::WebSafeBase64Escape(text); }

// The fields of a token of this kind.
absl::StatusOr<std::vector<std::string>> Unwrap(std::string_view token, std::string_view kind,
                                                size_t fields) {
  std::string text;
  if (token.size() > kMaxToken ||
      !absl::WebSafeBase64Unescape(absl::string_view(token.data(), token.size()), &text)) {
    return Foreign();
  }
  std::vector<std::string> parts = absl::StrSplit(text, '\n');
  if (parts.size() != fields + 1 || parts[0] != kind) return Foreign();
  parts.erase(parts.begin());
  return parts;
}

}  // namespace

uint32_t PageSize(uint32_t asked) { return asked == 0 ? kDefaultPage : std::min(asked, kMaxPage); }

std::string EncodeDomainToken(std::string_view after) { return Wrap(fmt::format("d\n{}", after)); }

absl::StatusOr<std::string> DecodeDomainToken(std::string_view token) {
  if (token.empty()) return std::string();
  auto parts = Unwrap(token, "d", 1);
  if (!parts.ok()) return parts.status();
  return (*parts)[0];
}

std::string EncodeQueueToken(std::string_view domain, const QueueCursor& cursor) {
  return Wrap(fmt::format("q\n{}\n{}\n{}", domain, ToString(cursor.node), cursor.after));
}

absl::StatusOr<std::optional<QueueCursor>> DecodeQueueToken(std::string_view token,
                                                            std::string_view domain) {
  if (token.empty()) return std::nullopt;
  auto parts = Unwrap(token, "q", 3);
  if (!parts.ok()) return parts.status();
  if ((*parts)[0] != domain) {
    return absl::InvalidArgumentError(
        "page_token: is from the listing of another domain; leave it out to start again");
  }
  auto node = ParseNodeId((*parts)[1]);
  if (!node.ok()) return Foreign();
  if (!(*parts)[2].empty() && !ParseMessageId((*parts)[2]).ok()) return Foreign();
  return QueueCursor{*node, (*parts)[2]};
}

}  // namespace fermo::coordinator
