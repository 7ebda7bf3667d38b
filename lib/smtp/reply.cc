#include "lib/smtp/reply.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fermo::smtp {
namespace {

constexpr size_t kMaxLine = 512;  // RFC 5321 4.5.3.1.5, with the CRLF

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

void AppendClean(std::string_view text, std::string& out) {
  for (char c : text) {
    if (c == '\t') c = ' ';
    out += c >= 32 && c <= 126 ? c : '?';
  }
}

// A number of 1 to 3 digits from the front of `text`.
std::optional<uint16_t> TakeNumber(std::string_view& text) {
  uint16_t number = 0;
  size_t digits = 0;
  while (digits < text.size() && digits < 3 && IsDigit(text[digits])) {
    number = static_cast<uint16_t>(number * 10 + (text[digits++] - '0'));
  }
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  return number;
}

bool TakeOctet(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

// "5.1.1 text": takes the code only if its class is the reply's first digit
// (RFC 2034 section 4); anything else is text.
std::optional<EnhancedCode> TakeEnhanced(std::string_view& text, int first_digit) {
  std::string_view rest = text;
  const auto klass = TakeNumber(rest);
  if (!klass || *klass != first_digit || !TakeOctet(rest, '.')) return std::nullopt;
  const auto subject = TakeNumber(rest);
  if (!subject || !TakeOctet(rest, '.')) return std::nullopt;
  const auto detail = TakeNumber(rest);
  if (!detail || !(rest.empty() || TakeOctet(rest, ' '))) return std::nullopt;
  text = rest;
  return EnhancedCode{static_cast<uint8_t>(*klass), *subject, *detail};
}

}  // namespace

std::string ToString(const EnhancedCode& code) {
  return absl::StrCat(code.klass, ".", code.subject, ".", code.detail);
}

ReplyClass Reply::klass() const {
  switch (code / 100) {
    case 2:
      return ReplyClass::kPositive;
    case 3:
      return ReplyClass::kIntermediate;
    case 4:
      return ReplyClass::kTransient;
    case 5:
      return ReplyClass::kPermanent;
    default:
      return ReplyClass::kBroken;
  }
}

Reply MakeReply(int code, EnhancedCode enhanced, std::string_view text) {
  Reply reply = MakePlainReply(code, text);
  reply.enhanced = enhanced;
  return reply;
}

Reply MakePlainReply(int code, std::string_view text) {
  Reply reply;
  reply.code = code;
  reply.lines.emplace_back(text);
  return reply;
}

void AppendTo(const Reply& reply, std::string& out) {
  const std::string code = absl::StrCat(reply.code);
  const std::string enhanced = reply.enhanced ? ToString(*reply.enhanced) + " " : "";
  const size_t count = std::max<size_t>(reply.lines.size(), 1);
  for (size_t i = 0; i < count; ++i) {
    out += code;
    out += i + 1 < count ? '-' : ' ';
    out += enhanced;
    const size_t room = kMaxLine - 2 - code.size() - 1 - enhanced.size();
    if (i < reply.lines.size()) AppendClean(std::string_view(reply.lines[i]).substr(0, room), out);
    out += "\r\n";
  }
}

std::string OneLine(const Reply& reply, size_t max_octets) {
  std::string text = absl::StrCat(reply.code);
  if (reply.enhanced) absl::StrAppend(&text, " ", ToString(*reply.enhanced));
  for (const std::string& line : reply.lines) {
    if (text.size() >= max_octets) break;
    if (line.empty()) continue;
    text += ' ';
    AppendClean(line, text);
  }
  if (text.size() > max_octets) text.resize(max_octets);
  return text;
}

absl::StatusOr<std::optional<Reply>> ReplyParser::Next(std::string_view& octets) {
  while (!octets.empty()) {
    const size_t end = octets.find('\n');
    const size_t take = end == std::string_view::npos ? octets.size() : end + 1;
    octets_ += take;
    if (octets_ > limits_.max_octets) return absl::InvalidArgumentError("reply too long");
    line_.append(octets.data(), take);
    octets.remove_prefix(take);
    if (end == std::string_view::npos) break;
    absl::StatusOr<bool> complete = AddLine();
    if (!complete.ok()) return complete.status();
    if (*complete) {
      octets_ = 0;
      return std::exchange(reply_, Reply());
    }
  }
  return std::nullopt;
}

absl::StatusOr<bool> ReplyParser::AddLine() {
  std::string_view line = line_;
  line.remove_suffix(1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.size() < 3 || !IsDigit(line[0]) || !IsDigit(line[1]) || !IsDigit(line[2])) {
    return absl::InvalidArgumentError("not an SMTP reply");
  }
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  const char mark = line.size() > 3 ? line[3] : ' ';
  if (mark != ' ' && mark != '-') return absl::InvalidArgumentError("not an SMTP reply");
  if (!reply_.lines.empty() && code != reply_.code) {
    return absl::InvalidArgumentError("reply whose lines have different codes");
  }
  if (reply_.lines.size() >= limits_.max_lines) {
    return absl::InvalidArgumentError("reply of too many lines");
  }
  reply_.code = code;
  std::string_view text = line.substr(std::min<size_t>(4, line.size()));
  std::optional<EnhancedCode> enhanced = TakeEnhanced(text, line[0] - '0');
  if (reply_.lines.empty()) reply_.enhanced = enhanced;
  AppendClean(text, reply_.lines.emplace_back());
  line_.clear();
  return mark == ' ';
}

}  // namespace fermo::smtp
