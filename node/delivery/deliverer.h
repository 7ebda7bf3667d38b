// Delivers the messages of the segments that this node owns to the primaries
// of their recipients' domains.
//
// Owned by the node; the store, the ownership, the resolver and the metrics
// outlive it. Everything is called on the core executor, and so are the calls
// to Ownership. Destroy it after Drain, or when the executor's context runs no
// more. Nothing fails: what can't be delivered now waits, and the views tell
// why. What isn't known is ignored, so that news may come twice.
//
// No message costs more than some octets of memory while it waits; forward-
// paths stay in the spool and are read again for each attempt.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lib/base/ids.h"
#include "lib/base/log.h"
#include "lib/base/time.h"
#include "lib/cluster/snapshot.h"
#include "lib/net/asio.h"
#include "lib/net/deadline.h"
#include "lib/net/metrics.h"
#include "lib/net/resolver.h"
#include "node/delivery/context.h"
#include "node/delivery/options.h"
#include "node/delivery/ownership.h"
#include "node/delivery/route_driver.h"
#include "node/store/spool_store.h"

namespace fermo::node {

struct DomainQueueView {
  std::string domain;
  QueueCounts counts;
};

class Deliverer {
 public:
  Deliverer(net::Executor executor, DeliveryOptions options, const SpoolStore& store,
            Ownership& ownership, net::Resolver& resolver, Logger log, net::Metrics& metrics);
  ~Deliverer();
  Deliverer(const Deliverer&) = delete;
  Deliverer& operator=(const Deliverer&) = delete;

  // Probes and delivers from now on. Messages may be added before.
  void Start();

  // Where each domain's mail goes. Mail of domains that aren't named any more
  // stays and waits until they are.
  void ApplySnapshot(const cluster::Snapshot& snapshot);

  // A live message of a segment that this node owns, as its record says.
  // `done_legs` have an outcome already. Not tried before `not_before` (the
  // grace of an earlier owner's announcement).
  void Add(const MessageId& id, const std::vector<std::string>& forward_paths, uint64_t size,
           WallTime received_at, Instant not_before = Instant::min());
  void Add(const MessageId& id, const std::vector<std::string>& forward_paths,
           const std::vector<uint32_t>& done_legs, uint64_t size, WallTime received_at,
           Instant not_before = Instant::min());
  // Outcomes that were learned elsewhere.
  void LegsDone(const MessageId& id, const std::vector<uint32_t>& legs);
  // Ownership was lost, or the segment closed: its messages are forgotten here,
  // and attempts that have not sent their final dot end without it.
  void DropSegment(const SegmentId& segment);

  // Starts nothing more and waits for what is under way. After `limit`
  // connections are closed before the final dot; those behind it are waited for
  // once more as long, then closed too.
  net::Awaitable<void> Drain(Duration limit);

  // --- Views
  QueueCounts Totals() const;
  std::vector<DomainQueueView> Domains() const;  // with mail waiting, by name
  // Messages with a leg without an outcome (in `domain`, lower case, unless empty), by id.
  std::vector<WaitingMessage> List(std::string_view domain, std::optional<MessageId> after,
                                   size_t limit) const;
  std::optional<WaitingMessage> Find(const MessageId& id) const;
  std::vector<RouteView> Routes() const;

 private:
  void QueueChanged();
  void UpdateRoutes();
  void UseRoutes(const std::vector<bool>& used);
  void RefreshGauges();
  std::vector<DeliveryMetrics::DomainState> DomainStates() const;
  std::optional<bool> PrimaryUp(DomainIndex domain) const;

  DeliveryContext context_;
  std::map<RouteIndex, std::shared_ptr<RouteDriver>> drivers_;
  net::Deadline due_timer_;
  net::Deadline gauge_timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for posted work
  bool update_posted_ = false;
  bool started_ = false;
  bool stopped_ = false;  // draining: no timer is set any more
};

}  // namespace fermo::node
