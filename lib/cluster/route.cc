#include "lib/cluster/route.h"

#include <algorithm>
#include <utility>

namespace fermo::cluster {

std::string_view ToString(RouteState state) {
  switch (state) {
    case RouteState::kUnknown:
      return "unknown";
    case RouteState::kDown:
      return "down";
    case RouteState::kCanary:
      return "canary";
    case RouteState::kRamp:
      return "ramp";
    case RouteState::kUp:
      return "up";
  }
  return "unknown";
}

RouteMachine::RouteMachine(RouteOptions options, Instant now, Rng& rng)
    : options_(options), rng_(rng), since_(now), probe_started_(now - options.probe_interval) {
  // A node that starts with many routes doesn't knock at all of them at once.
  next_probe_ = now + rng_.Jitter(options_.idle_probe_interval / 12, 1.0);
}

std::vector<RouteAction> RouteMachine::Step(const RouteEvent& event, Instant now) {
  actions_.clear();
  if (const auto* probe = std::get_if<ProbeDone>(&event)) {
    OnProbe(*probe, now);
  } else if (const auto* attempt = std::get_if<AttemptDone>(&event)) {
    OnAttempt(*attempt, now);
  } else if (const auto* demand = std::get_if<DemandChanged>(&event)) {
    OnDemand(*demand, now);
  }
  if (!probing_ && now >= next_probe_) {
    probing_ = true;
    probe_started_ = now;
    actions_.push_back(StartProbe{});
  }
  return std::exchange(actions_, {});
}

Instant RouteMachine::NextTick() const { return probing_ ? Instant::max() : next_probe_; }

void RouteMachine::OnProbe(const ProbeDone& probe, Instant now) {
  probing_ = false;
  if (!probe.ok) {
    OnFailure(probe.reason, now);
  } else {
    failures_ = 0;
    if (!Working()) {
      GoTo(demand_.ready ? RouteState::kCanary : RouteState::kUp, 1, now, {});
    }
  }
  PlanProbe(now);
}

void RouteMachine::OnAttempt(const AttemptDone& attempt, Instant now) {
  if (attempt.result == AttemptResult::kAbandoned) return;
  if (attempt.result == AttemptResult::kBroken) {
    OnFailure(attempt.reason, now);
  } else {
    OnAnswer(attempt.result, now);
  }
  if (!probing_) PlanProbe(now);  // live traffic counts as a probe
}

void RouteMachine::OnDemand(const DemandChanged& demand, Instant now) {
  const bool hurry = demand.waiting && !demand_.waiting && !Working();
  demand_ = demand;
  if (hurry && !probing_) {
    next_probe_ = std::min(next_probe_, std::max(now, probe_started_ + options_.probe_interval));
  }
  const bool proving = state_ == RouteState::kCanary || state_ == RouteState::kRamp;
  // Nothing is left to prove it with. connections() stays small and grows as usual.
  if (proving && !demand.ready) GoTo(RouteState::kUp, connections_, now, {});
}

void RouteMachine::OnAnswer(AttemptResult result, Instant now) {
  failures_ = 0;
  // An answer while "down": one of several connections outlived the failures.
  if (!Working() || state_ == RouteState::kCanary) GoTo(RouteState::kRamp, 1, now, {});
  if (halving_holds_ > 0) --halving_holds_;
  if (result == AttemptResult::kDelivered) Grow(now);
  if (result == AttemptResult::kDeferred) Halve();
}

void RouteMachine::OnFailure(const std::string& reason, Instant now) {
  ++failures_;
  reason_ = reason;
  if (state_ == RouteState::kDown) return;
  const bool lasting = failures_ >= options_.fall || state_ == RouteState::kCanary;
  if (lasting || !Working()) {
    GoTo(RouteState::kDown, 0, now, reason);
  } else {
    if (halving_holds_ > 0) --halving_holds_;
    Halve();
  }
}

// Doubled after as many good results as there are connections.
void RouteMachine::Grow(Instant now) {
  if (++good_results_ < connections_) return;
  good_results_ = 0;
  connections_ = std::min(connections_ * 2, options_.max_connections);
  if (state_ == RouteState::kRamp && connections_ == options_.max_connections) {
    GoTo(RouteState::kUp, connections_, now, {});
  }
}

// The messages that are under way on the other connections may all report the
// same trouble; together they halve once.
void RouteMachine::Halve() {
  if (halving_holds_ > 0) return;
  halving_holds_ = connections_;
  good_results_ = 0;
  connections_ = std::max(connections_ / 2, 1U);
}

void RouteMachine::GoTo(RouteState state, uint32_t connections, Instant now,
                        const std::string& reason) {
  if (connections != connections_) {
    good_results_ = 0;
    halving_holds_ = 0;
  }
  connections_ = connections;
  if (state == RouteState::kUp) reason_.clear();
  if (state == state_) return;
  actions_.push_back(RouteChanged{state_, state, reason});
  state_ = state;
  since_ = now;
}

Duration RouteMachine::IdleInterval() { return rng_.Jitter(options_.idle_probe_interval, 0.25); }

// Probes are counted from their start, so that a slow one doesn't put off the
// next; yet two never follow each other without a pause.
void RouteMachine::PlanProbe(Instant now) {
  const bool doubtful = !Working() ? demand_.waiting : failures_ > 0;
  if (doubtful) {
    next_probe_ =
        std::max(probe_started_ + options_.probe_interval, now + options_.probe_interval / 4);
  } else {
    next_probe_ = now + IdleInterval();
  }
}

}  // namespace fermo::cluster
