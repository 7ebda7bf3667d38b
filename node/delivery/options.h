// The settings of delivery, as main() fills them from the configuration.
#pragma once

#include <cstdint>
#include <string>

#include "lib/cluster/route.h"
#include "node/delivery/delivery_queue.h"
#include "node/health/prober.h"

namespace fermo::node {

struct DeliveryOptions {
  SmtpConnectionOptions connection;  // our name and the timeouts
  ProbeTimeouts probe;
  cluster::RouteOptions route;
  QueueOptions queue;
  uint32_t messages_per_connection = 100;
  // A connection with nothing to carry is kept this long for the next message.
  Duration idle_connection = std::chrono::seconds(1);
  // For W holders to acknowledge an announcement.
  Duration announce_timeout = std::chrono::seconds(30);
  // How often leases are asked for again where they are all that is missing.
  Duration permission_interval = std::chrono::milliseconds(200);
  size_t reader_threads = 2;
  size_t domains_in_metrics = 50;
  uint64_t seed = 1;  // of jitter; main() gives RandomSeed()
};

}  // namespace fermo::node
