// What every operation works with. All of it lives on the coordinator's
// executor (an io_context run by one thread) and outlives the operations.
#pragma once

#include "coordinator/membership/blocking.h"
#include "coordinator/membership/config_store.h"
#include "coordinator/membership/connected.h"
#include "lib/base/log.h"
#include "lib/base/time.h"

namespace fermo::coordinator {

class NodeClient;

struct OperationsContext {
  net::Executor executor;
  ConfigStore* config = nullptr;
  Connected* connected = nullptr;
  Blocking* blocking = nullptr;
  NodeClient* nodes = nullptr;
  Logger log = Logger::Null();
  WallTime started{};
  // How long a change waits for the connected processes to apply it.
  Duration apply_limit = std::chrono::seconds(3);
};

}  // namespace fermo::coordinator
