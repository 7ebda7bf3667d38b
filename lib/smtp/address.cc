#include "lib/smtp/address.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace fermo::smtp {
namespace {

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

std::string Lower(std::string_view text) { return absl::AsciiStrToLower(Absl(text)); }

bool IsLetterOrDigit(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }

// RFC 5322 3.2.3 atext.
bool IsAtomText(char c) {
  return IsLetterOrDigit(c) ||
         std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

bool IsPrintable(char c) { return c >= 32 && c <= 126; }

bool IsDotString(std::string_view text) {
  bool atom_open = false;
  for (char c : text) {
    if (c == '.') {
      if (!atom_open) return false;
      atom_open = false;
    } else if (IsAtomText(c)) {
      atom_open = true;
    } else {
      return false;
    }
  }
  return atom_open;
}

// Reads a path's octets from the front; every method leaves the view behind
// what it took.
class PathReader {
 public:
  explicit PathReader(std::string_view text) : text_(text) {}

  std::string_view rest() const { return text_; }
  bool done() const { return text_.empty(); }
  bool Take(char wanted) {
    if (text_.empty() || text_.front() != wanted) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool At(char wanted) const { return !text_.empty() && text_.front() == wanted; }

  // "@one,@two:" (RFC 5321 4.1.2 A-d-l), checked and dropped.
  absl::Status SkipSourceRoute() {
    if (!At('@')) return absl::OkStatus();
    do {
      if (!Take('@')) return absl::InvalidArgumentError("bad source route");
      if (auto domain = TakeDomain(); !domain.ok()) return domain.status();
    } while (Take(','));
    if (!Take(':')) return absl::InvalidArgumentError("bad source route");
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> TakeLocalPart() {
    absl::StatusOr<std::string> local = At('"') ? TakeQuotedString() : TakeDotString();
    if (local.ok() && local->size() > kMaxLocalPart) {
      return absl::InvalidArgumentError("local-part too long");
    }
    return local;
  }

  absl::StatusOr<std::string> TakeDomain() {
    if (At('[')) return TakeLiteral();
    const size_t end =
        std::find_if_not(
            text_.begin(), text_.end(),
            [](char c) { return IsLetterOrDigit(c) || c == '-' || c == '.' || c == '_'; }) -
        text_.begin();
    const std::string_view domain = text_.substr(0, end);
    if (!IsDomain(domain)) return absl::InvalidArgumentError("bad domain");
    text_.remove_prefix(end);
    return Lower(domain);
  }

 private:
  absl::StatusOr<std::string> TakeDotString() {
    const size_t end = std::find_if_not(text_.begin(), text_.end(),
                                        [](char c) { return IsAtomText(c) || c == '.'; }) -
                       text_.begin();
    const std::string_view local = text_.substr(0, end);
    if (!IsDotString(local)) return absl::InvalidArgumentError("bad local-part");
    text_.remove_prefix(end);
    return std::string(local);
  }

  absl::StatusOr<std::string> TakeQuotedString() {
    std::string local;
    for (size_t i = 1; i < text_.size(); ++i) {
      char c = text_[i];
      if (c == '"') {
        text_.remove_prefix(i + 1);
        return local;
      }
      if (c == '\\' && ++i < text_.size()) c = text_[i];
      if (!IsPrintable(c)) break;
      local += c;
    }
    return absl::InvalidArgumentError("bad quoted local-part");
  }

  absl::StatusOr<std::string> TakeLiteral() {
    const size_t end = text_.find(']');
    if (end == std::string_view::npos || !IsAddressLiteral(text_.substr(0, end + 1))) {
      return absl::InvalidArgumentError("bad address literal");
    }
    std::string literal = Lower(text_.substr(0, end + 1));
    text_.remove_prefix(end + 1);
    return literal;
  }

  std::string_view text_;
};

bool IsPostmaster(const Path& path) {
  return absl::EqualsIgnoreCase(path.local_part, "postmaster");
}

// A mailbox up to the end of what the reader holds or to `end`.
absl::StatusOr<Path> ReadPath(PathReader& reader, PathKind kind) {
  if (absl::Status route = reader.SkipSourceRoute(); !route.ok()) return route;
  Path path;
  absl::StatusOr<std::string> local = reader.TakeLocalPart();
  if (!local.ok()) return local.status();
  path.local_part = *std::move(local);
  if (!reader.Take('@')) {
    if (kind == PathKind::kForward && IsPostmaster(path)) return path;
    return absl::InvalidArgumentError("an address needs a domain");
  }
  absl::StatusOr<std::string> domain = reader.TakeDomain();
  if (!domain.ok()) return domain.status();
  path.domain = *std::move(domain);
  return path;
}

}  // namespace

std::string Path::ToString() const {
  if (null()) return "";
  std::string text;
  text.reserve(local_part.size() + domain.size() + 3);
  if (IsDotString(local_part)) {
    text = local_part;
  } else {
    text += '"';
    for (char c : local_part) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  if (!domain.empty()) {
    text += '@';
    text += domain;
  }
  return text;
}

absl::StatusOr<Path> ConsumePath(std::string_view& text, PathKind kind) {
  PathReader reader(text);
  if (!reader.Take('<')) return absl::InvalidArgumentError("a path stands in <angle brackets>");
  if (kind == PathKind::kReverse && reader.Take('>')) {
    text = reader.rest();
    return Path();
  }
  absl::StatusOr<Path> path = ReadPath(reader, kind);
  if (!path.ok()) return path;
  if (!reader.Take('>')) return absl::InvalidArgumentError("bad octet in a path");
  if (text.size() - reader.rest().size() > kMaxPath + 2) {
    return absl::InvalidArgumentError("path too long");
  }
  text = reader.rest();
  return path;
}

absl::StatusOr<Path> ParseMailbox(std::string_view text, PathKind kind) {
  if (text.empty() && kind == PathKind::kReverse) return Path();
  if (text.size() > kMaxPath) return absl::InvalidArgumentError("path too long");
  PathReader reader(text);
  absl::StatusOr<Path> path = ReadPath(reader, kind);
  if (path.ok() && !reader.done()) return absl::InvalidArgumentError("bad octet in a path");
  return path;
}

bool IsDomain(std::string_view text) {
  if (text.empty() || text.size() > kMaxDomain) return false;
  size_t label = 0;
  char previous = '.';
  for (char c : text) {
    if (c == '.') {
      if (label == 0 || previous == '-') return false;
      label = 0;
    } else {
      if (!IsLetterOrDigit(c) && c != '_' && (c != '-' || label == 0)) return false;
      if (++label > kMaxLabel) return false;
    }
    previous = c;
  }
  return label > 0 && previous != '-';
}

bool IsAddressLiteral(std::string_view text) {
  if (text.size() < 3 || text.size() > kMaxDomain || text.front() != '[' || text.back() != ']') {
    return false;
  }
  const std::string inner(text.substr(1, text.size() - 2));
  in6_addr scratch;
  if (absl::StartsWithIgnoreCase(inner, "IPv6:")) {
    return inet_pton(AF_INET6, inner.c_str() + 5, &scratch) == 1;
  }
  const size_t colon = inner.find(':');
  if (colon == std::string::npos) return inet_pton(AF_INET, inner.c_str(), &scratch) == 1;
  // General-address-literal: a tag like a label, then dtext (RFC 5321 4.1.3).
  const std::string_view tag = std::string_view(inner).substr(0, colon);
  const std::string_view content = std::string_view(inner).substr(colon + 1);
  return IsDomain(tag) && tag.find('.') == std::string_view::npos && !content.empty() &&
         std::all_of(content.begin(), content.end(),
                     [](char c) { return c >= 33 && c <= 126 && (c < '[' || c > ']'); });
}

std::string AddressLiteral(std::string_view address) {
  const std::string plain(address.substr(0, address.find('%')));
  return (plain.find(':') == std::string::npos ? "[" : "[IPv6:") + plain + "]";
}

bool HasHiddenRoute(const Path& path) {
  return path.local_part.find_first_of("@%!") != std::string::npos;
}

bool IsClientName(std::string_view text) {
  if (IsDomain(text) || IsAddressLiteral(text)) return true;
  return !text.empty() && text.size() <= kMaxDomain &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return IsLetterOrDigit(c) ||
                  std::string_view("-._:[]").find(c) != std::string_view::npos;
         });
}

}  // namespace fermo::smtp
