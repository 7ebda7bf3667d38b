#include "lib/smtp/command.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace fermo::smtp {
namespace {

constexpr std::array<std::string_view, kVerbCount> kVerbNames = {
    "ehlo", "helo", "mail",          "rcpt",      "data",    "rset",    "noop",    "vrfy",
    "help", "quit", "unimplemented", "forbidden", "unknown", "connect", "content", "none"};

constexpr std::pair<std::string_view, Verb> kVerbs[] = {
    {"EHLO", Verb::kEhlo},          {"HELO", Verb::kHelo},
    {"MAIL", Verb::kMail},          {"RCPT", Verb::kRcpt},
    {"DATA", Verb::kData},          {"RSET", Verb::kRset},
    {"NOOP", Verb::kNoop},          {"VRFY", Verb::kVrfy},
    {"HELP", Verb::kHelp},          {"QUIT", Verb::kQuit},
    {"EXPN", Verb::kUnimplemented}, {"AUTH", Verb::kUnimplemented},
    {"BDAT", Verb::kUnimplemented}, {"STARTTLS", Verb::kUnimplemented},
    {"ETRN", Verb::kUnimplemented}, {"ATRN", Verb::kUnimplemented},
    {"TURN", Verb::kUnimplemented}, {"SEND", Verb::kUnimplemented},
    {"SOML", Verb::kUnimplemented}, {"SAML", Verb::kUnimplemented},
    {"GET", Verb::kForbidden},      {"POST", Verb::kForbidden},
    {"PUT", Verb::kForbidden},      {"CONNECT", Verb::kForbidden},
    {"OPTIONS", Verb::kForbidden}};

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && absl::EqualsIgnoreCase(absl::string_view(a.data(), a.size()),
                                                        absl::string_view(b.data(), b.size()));
}

bool IsWhite(char c) { return c == ' ' || c == '\t'; }

void TrimFront(std::string_view& text) {
  while (!text.empty() && IsWhite(text.front())) text.remove_prefix(1);
}

void TrimBack(std::string_view& text) {
  while (!text.empty() && IsWhite(text.back())) text.remove_suffix(1);
}

bool IsKeyword(std::string_view text) {
  return !text.empty() && text.front() != '-' && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-';
  });
}

// esmtp-value: 1*(%d33-60 / %d62-126), RFC 5321 4.1.2.
bool IsValue(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return c >= 33 && c <= 126 && c != '='; });
}

}  // namespace

std::string_view ToString(Verb verb) { return kVerbNames[static_cast<size_t>(verb)]; }

Command ParseCommand(std::string_view line) {
  TrimBack(line);
  Command command;
  const size_t end = std::min(line.find_first_of(" \t"), line.size());
  const std::string_view word = line.substr(0, end);
  for (const auto& [name, verb] : kVerbs) {
    if (EqualsIgnoreCase(word, name)) {
      command.verb = verb;
      break;
    }
  }
  command.argument = line.substr(end);
  TrimFront(command.argument);
  return command;
}

bool IsCommandText(std::string_view line) {
  return std::all_of(line.begin(), line.end(),
                     [](char c) { return c == '\t' || (c >= 32 && c <= 126); });
}

bool TakePathPrefix(std::string_view& argument, PathKind kind) {
  const std::string_view prefix = kind == PathKind::kReverse ? "FROM:" : "TO:";
  if (!EqualsIgnoreCase(argument.substr(0, prefix.size()), prefix)) return false;
  argument.remove_prefix(prefix.size());
  TrimFront(argument);
  return true;
}

absl::StatusOr<std::vector<Parameter>> ParseParameters(std::string_view text) {
  std::vector<Parameter> parameters;
  if (!text.empty() && !IsWhite(text.front())) {
    return absl::InvalidArgumentError("bad octet behind the path");
  }
  TrimFront(text);
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(" \t"), text.size());
    const std::string_view word = text.substr(0, end);
    const size_t equals = word.find('=');
    Parameter parameter;
    parameter.keyword = word.substr(0, equals);
    if (equals != std::string_view::npos) parameter.value = word.substr(equals + 1);
    if (!IsKeyword(parameter.keyword) || (parameter.value && !IsValue(*parameter.value))) {
      return absl::InvalidArgumentError("bad parameter");
    }
    for (const Parameter& earlier : parameters) {
      if (EqualsIgnoreCase(earlier.keyword, parameter.keyword)) {
        return absl::InvalidArgumentError("parameter given twice");
      }
    }
    parameters.push_back(parameter);
    text.remove_prefix(end);
    TrimFront(text);
  }
  return parameters;
}

absl::StatusOr<uint64_t> ParseSizeValue(std::string_view digits) {
  if (digits.empty() || digits.size() > 20) return absl::InvalidArgumentError("bad SIZE");
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  uint64_t size = 0;
  for (char c : digits) {
    if (c < '0' || c > '9') return absl::InvalidArgumentError("bad SIZE");
    const uint64_t digit = static_cast<uint64_t>(c - '0');
    size = size > (kMax - digit) / 10 ? kMax : size * 10 + digit;
  }
  return size;
}

}  // namespace fermo::smtp
