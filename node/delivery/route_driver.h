// Carries the mail of one route: runs its machine, its probes and its
// connections.
//
// Shared with the coroutines that it starts; on the core executor. The context
// outlives all of them. Nothing fails; trouble becomes an event of the machine.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/steady_timer.hpp>

#include "lib/cluster/route.h"
#include "lib/net/deadline.h"
#include "node/delivery/attempt.h"
#include "node/delivery/context.h"

namespace fermo::node {

struct RouteView {
  cluster::Route route;
  cluster::RouteState state = cluster::RouteState::kUnknown;
  std::string reason;        // of the last failure
  WallTime since{};          // of the state
  uint32_t connections = 0;  // allowed
  uint32_t attempts = 0;     // running
  uint64_t waiting_legs = 0;
};

class RouteDriver : public std::enable_shared_from_this<RouteDriver> {
 public:
  RouteDriver(DeliveryContext& context, RouteIndex index);

  // Probes and delivers from now on.
  void Start();
  // Starts nothing more; messages under way are finished.
  void Stop();
  // The queue may have changed for this route.
  void Update();
  RouteView View() const;
  cluster::RouteState state() const { return machine_.state(); }

 private:
  using IdleTimer = std::shared_ptr<net::asio::steady_timer>;

  void Step(const cluster::RouteEvent& event);  // and what follows from it
  void Feed(const cluster::RouteEvent& event);
  void Perform(const cluster::RouteAction& action);
  void StartProbe();
  void StartWorkers();
  void SpawnWorker(std::unique_ptr<SmtpConnection> connection);
  size_t WakeIdle(size_t count);
  void ArmTimer();
  bool MayContinue(uint64_t generation, uint32_t carried) const;
  std::optional<TakenMessage> Take(uint64_t generation);
  void AttemptEnded(const AttemptReport& report, uint64_t generation);
  void WorkerLeaves(uint64_t generation);

  static net::Awaitable<void> Probe(std::shared_ptr<RouteDriver> self, net::Gate::Pass pass);
  static net::Awaitable<void> Work(std::shared_ptr<RouteDriver> self,
                                   std::unique_ptr<SmtpConnection> connection, uint64_t generation,
                                   net::Gate::Pass pass);
  static net::Awaitable<void> Carry(std::shared_ptr<RouteDriver> self, SmtpConnection* connection,
                                    uint64_t generation);
  static net::Awaitable<bool> WaitForMail(std::shared_ptr<RouteDriver> self);

  DeliveryContext& context_;
  const RouteIndex index_;
  const cluster::Route route_;
  const std::string name_;  // host:port
  cluster::RouteMachine machine_;
  net::Deadline timer_;
  uint32_t silences_ = 0;  // probes in a row that the primary let wait
  WallTime since_ = WallNow();
  bool started_ = false;
  bool stopped_ = false;
  bool blocked_ = false;  // mail is ready, and only leases are missing
  cluster::DemandChanged demand_;
  uint32_t attempts_ = 0;
  std::unique_ptr<SmtpConnection> proven_;  // by the probe; the canary's
  // Connections of this life of the route. When it goes down they no longer
  // count, and each ends when its message does: one that hangs must not keep
  // its successors from a route that is up again.
  uint64_t generation_ = 0;
  uint32_t workers_ = 0;
  uint32_t hungry_ = 0;         // of those, on their way to take a message
  std::deque<IdleTimer> idle_;  // of those, with an open connection and nothing to carry
};

}  // namespace fermo::node
