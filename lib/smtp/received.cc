#include "lib/smtp/received.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "lib/smtp/address.h"

namespace fermo::smtp {
namespace {

constexpr std::string_view kName = "received";
constexpr size_t kMaxTextLine = 998;  // RFC 5322 2.1.1

bool FitsFor(const std::string& recipient) {
  return !recipient.empty() && recipient.size() + 16 <= kMaxTextLine &&
         std::all_of(recipient.begin(), recipient.end(),
                     [](char c) { return c >= 32 && c <= 126; });
}

}  // namespace

std::string MailDate(WallTime at) {
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                       "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(at - day));
  return absl::StrFormat(
      "%s, %02d %s %04d %02d:%02d:%02d +0000", kDays[std::chrono::weekday(day).c_encoding()],
      static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
      static_cast<int>(date.year()), time.hours().count(), time.minutes().count(),
      time.seconds().count());
}

std::string ReceivedField(const TraceInfo& info) {
  std::string field = "Received: from ";
  field += info.helo;
  field += " (";
  field += AddressLiteral(info.client_address);
  field += ")\r\n\tby ";
  field += info.hostname;
  field += info.extended ? " with ESMTP id " : " with SMTP id ";
  field += info.id;
  if (FitsFor(info.single_recipient)) {
    field += "\r\n\tfor <";
    field += info.single_recipient;
    field += '>';
  }
  field += ";\r\n\t";
  field += MailDate(info.at);
  field += "\r\n";
  return field;
}

void ReceivedCounter::Scan(std::string_view content) {
  size_t i = 0;
  while (!ended_ && i < content.size()) {
    if (match_ == Match::kSkip) {
      const size_t end = content.find('\n', i);
      if (end == std::string_view::npos) return;
      i = end + 1;
      EndLine();
      continue;
    }
    const char c = content[i++];
    if (c == '\n') {
      EndLine();
    } else if (c == '\r') {
      continue;
    } else if (match_ == Match::kName && matched_ < kName.size() &&
               absl::ascii_tolower(static_cast<unsigned char>(c)) == kName[matched_]) {
      ++matched_;
      line_empty_ = false;
    } else if (matched_ == kName.size() && c == ':') {
      ++count_;
      match_ = Match::kSkip;
    } else if (matched_ == kName.size() && (c == ' ' || c == '\t')) {
      match_ = Match::kSpace;  // "Received :" is obsolete and legal (RFC 5322 4.5)
    } else {
      match_ = Match::kSkip;
      line_empty_ = false;
    }
  }
}

void ReceivedCounter::EndLine() {
  if (line_empty_) ended_ = true;
  match_ = Match::kName;
  matched_ = 0;
  line_empty_ = true;
}

}  // namespace fermo::smtp
