// What one node thinks of one route (a primary's host and port), and what
// follows: when to probe it and how many connections may run.
//
// A pure machine, owned and driven by one caller on one thread; it keeps no
// clock and opens no socket. Nothing here fails. The caller starts the probes
// that it asks for and reports how they, and the attempts at messages, end; it
// reads connections() before it opens a connection or takes a message.
//
//   unknown --probe ok--> canary (mail is ready) or up (none is)
//   down    --probe ok--> canary or up
//   canary  --any answer to a message--> ramp, --connection fails--> down
//   ramp    --all connections in use, or no mail is ready--> up
//   ramp, up --`fall` connection failures in a row--> down
//
// A reply to a message, even 4yz or 5yz, shows that the primary works and
// never parks the route. What does is trouble of the connection: refused,
// banner or EHLO not 2yz, timeouts, 421, a close without QUIT.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "lib/base/random.h"
#include "lib/base/time.h"

namespace fermo::cluster {

enum class RouteState { kUnknown, kDown, kCanary, kRamp, kUp };
std::string_view ToString(RouteState state);  // "unknown", "down", ...

struct RouteOptions {
  uint32_t max_connections = 8;
  uint32_t fall = 2;  // connection failures in a row that make a working route down
  Duration probe_interval = std::chrono::seconds(1);        // mail waits, route not up
  Duration idle_probe_interval = std::chrono::seconds(30);  // otherwise, +-25 %
};

// --- Events
struct ProbeDone {
  bool ok = false;
  std::string reason;  // of the failure, for people
};
enum class AttemptResult {
  kDelivered,  // 2yz to the final dot
  kRejected,   // 5yz at message level
  kDeferred,   // 4yz at message level
  kBroken,     // trouble of the connection, at connect or later
  kAbandoned,  // given up by us: says nothing about the route
};
struct AttemptDone {
  AttemptResult result = AttemptResult::kAbandoned;
  std::string reason;
};
struct DemandChanged {
  bool waiting = false;  // mail for the route is here, due or backing off
  bool ready = false;    // some of it could go now, or is on its way
};
struct RouteTick {};  // at NextTick() or later
using RouteEvent = std::variant<ProbeDone, AttemptDone, DemandChanged, RouteTick>;

// --- Actions
struct StartProbe {};  // answered by exactly one ProbeDone
struct RouteChanged {
  RouteState from;
  RouteState to;
  std::string reason;
};
using RouteAction = std::variant<StartProbe, RouteChanged>;

class RouteMachine {
 public:
  // `rng` outlives the machine. The first probe comes at once when mail waits,
  // else within a sixth of idle_probe_interval.
  RouteMachine(RouteOptions options, Instant now, Rng& rng);

  std::vector<RouteAction> Step(const RouteEvent& event, Instant now);

  RouteState state() const { return state_; }
  // Of the last failure; empty if there was none since the route came up.
  const std::string& reason() const { return reason_; }
  Instant since() const { return since_; }  // of state()
  // How many connections may carry mail now; 0 while unknown or down.
  uint32_t connections() const { return connections_; }
  // When RouteTick is wanted at the latest; Instant::max() while a probe runs.
  Instant NextTick() const;

 private:
  void OnProbe(const ProbeDone& probe, Instant now);
  void OnAttempt(const AttemptDone& attempt, Instant now);
  void OnDemand(const DemandChanged& demand, Instant now);
  void OnAnswer(AttemptResult result, Instant now);
  void OnFailure(const std::string& reason, Instant now);
  void Grow(Instant now);
  void Halve();
  void GoTo(RouteState state, uint32_t connections, Instant now, const std::string& reason);
  bool Working() const { return connections_ > 0; }
  Duration IdleInterval();
  void PlanProbe(Instant now);

  RouteOptions options_;
  Rng& rng_;
  RouteState state_ = RouteState::kUnknown;
  std::string reason_;
  Instant since_;
  uint32_t connections_ = 0;
  DemandChanged demand_;
  uint32_t failures_ = 0;       // of connections, in a row
  uint32_t good_results_ = 0;   // since connections_ last changed
  uint32_t halving_holds_ = 0;  // results to come before the next halving counts
  bool probing_ = false;
  Instant probe_started_;
  Instant next_probe_;
  std::vector<RouteAction> actions_;
};

}  // namespace fermo::cluster
