// What a frontend counts (docs/operations.md). All children are made at the
// start, so that counting takes no lock and every series begins at zero.
//
// Owned by the frontend; used on its one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "lib/base/time.h"
#include "lib/net/metrics.h"
#include "lib/smtp/command.h"
#include "lib/smtp/reply.h"

namespace fermo::frontend {

// How a session ended.
enum class SessionResult : uint8_t { kQuit, kDropped, kTimeout, kErrors, kDrained, kRefused };
inline constexpr size_t kSessionResults = 6;
std::string_view ToString(SessionResult result);

class FrontendMetrics {
 public:
  explicit FrontendMetrics(net::Metrics* metrics);

  void SessionOpened() { connections_->Increment(); }
  void SessionClosed(SessionResult result);
  void SessionRefused();  // never opened
  void Replied(smtp::Verb verb, const smtp::Reply& reply);
  // From the final dot to the reply.
  void Accepted(uint64_t octets, Duration took);
  void Deferred(Duration took);

 private:
  net::Gauge* connections_;
  std::array<net::Counter*, kSessionResults> sessions_;
  std::array<std::array<net::Counter*, 6>, smtp::kVerbCount> replies_{};  // by first digit
  std::array<net::Counter*, 9> rejected_;
  net::Counter* accepted_;
  net::Counter* accepted_octets_;
  net::Histogram* accept_seconds_;
  net::Histogram* defer_seconds_;
};

}  // namespace fermo::frontend
