// What happened, for people: one line an event, with its virtual time.
//
// Lines cost time, so they are kept only when asked for: a seed that failed is
// run once more with its history on. The same seed gives the same lines.
#pragma once

#include <string>
#include <utility>

#include "fmt/format.h"
#include "lib/base/time.h"

namespace fermo::sim {

class History {
 public:
  explicit History(bool keep) : keep_(keep) {}

  template <class... Args>
  void Add(Instant now, fmt::format_string<Args...> format, Args&&... args) {
    if (!keep_) return;
    const double seconds = std::chrono::duration<double>(now.time_since_epoch()).count() - 3600;
    text_ += fmt::format("{:12.6f}  ", seconds);
    text_ += fmt::format(format, std::forward<Args>(args)...);
    text_ += '\n';
  }
  const std::string& text() const { return text_; }

 private:
  bool keep_;
  std::string text_;
};

}  // namespace fermo::sim
