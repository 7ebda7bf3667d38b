// One node: store, replication, delivery, their services.
//
// Ownership: owns all its parts; the io_context must outlive it and must have
// returned from run() before it is destroyed. Threading: Start and Drain
// belong on the executor, an io_context run by one thread. Failure: Start says
// in one line why it cannot start. A store that breaks later ends the process
// at once: a failed sync is never retried, and nothing more may be answered.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/host_port.h"
#include "lib/base/log.h"
#include "lib/net/asio.h"
#include "node/delivery/options.h"
#include "node/replication/spool_core.h"

namespace fermo::node {

struct NodeOptions {
  std::string name;
  std::string region;
  std::string data_dir;  // made when absent
  std::string listen;    // gRPC
  std::string advertise_address;
  HostPort http_listen;
  std::vector<std::string> coordinators;
  std::vector<HostPort> dns_servers;  // empty: the system's
  bool insecure = false;
  uint64_t soft_free = 0;  // no new mail while less is free on the disk
  uint64_t hard_free = 0;  // no copies of peers' mail either
  SpoolCoreOptions core;   // self, boot and seed are the node's to fill in
  DeliveryOptions delivery;
  // A primary may take minutes to answer a final dot; leaving before it does
  // would deliver that message again.
  Duration drain_delivery = std::chrono::minutes(4);
  std::string version;
  Logger log = Logger::Null();
};

class Node {
 public:
  static absl::StatusOr<std::unique_ptr<Node>> Start(net::Executor executor, NodeOptions options);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Takes no new mail, ends what is under way, marks a clean stop. The executor
  // then has no work of ours left.
  net::Awaitable<void> Drain();

 private:
  struct Parts;
  explicit Node(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace fermo::node
