// What the parts of delivery share. Owned by the Deliverer, used on its
// executor only; every part of delivery that is at work lies within its life.
#pragma once

#include <functional>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "lib/base/log.h"
#include "lib/base/random.h"
#include "lib/net/asio.h"
#include "lib/net/gate.h"
#include "lib/net/resolver.h"
#include "node/delivery/content_reader.h"
#include "node/delivery/delivery_metrics.h"
#include "node/delivery/delivery_queue.h"
#include "node/delivery/domain_table.h"
#include "node/delivery/options.h"
#include "node/delivery/ownership.h"
#include "node/health/prober.h"

namespace fermo::node {

class Attempt;

struct DeliveryContext {
  DeliveryContext(net::Executor the_executor, DeliveryOptions the_options, const SpoolStore& store,
                  Ownership& the_ownership, net::Resolver& the_resolver, Logger logger,
                  net::Metrics& the_metrics)
      : executor(the_executor),
        options(std::move(the_options)),
        ownership(the_ownership),
        resolver(the_resolver),
        log(logger.ForComponent("delivery")),
        metrics(the_metrics),
        reader(store, options.reader_threads),
        prober(the_executor, the_resolver, options.connection, options.probe),
        rng(options.seed),
        queue(options.queue, domains, rng),
        gate(the_executor) {}

  net::Executor executor;
  DeliveryOptions options;
  Ownership& ownership;
  net::Resolver& resolver;
  Logger log;
  DeliveryMetrics metrics;
  ContentReader reader;
  Prober prober;
  Rng rng;
  DomainTable domains;
  DeliveryQueue queue;
  net::Gate gate;  // every probe and every connection holds a pass
  absl::flat_hash_map<MessageId, std::shared_ptr<Attempt>> attempts;  // that are running
  std::function<void()> queue_changed;  // looks after the routes soon, not within the call
};

}  // namespace fermo::node
