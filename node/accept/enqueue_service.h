// The Spool service: frontends' messages in, verdicts out.
//
// Ownership: by the node; core and executor outlive it. Threading: gRPC's
// threads hash a chunk and hand over; all decisions run on the core executor.
// A call takes its next chunk only when disk and peers have room, so that its
// memory is two chunks. Failure: as spool.proto says.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/log.h"
#include "lib/net/asio.h"
#include "node/replication/spool_core.h"

namespace grpc {
class Service;
}

namespace fermo::node {

class EnqueueService {
 public:
  struct Dependencies {
    net::Executor executor;
    SpoolCore* core = nullptr;
    Logger log = Logger::Null();
    std::function<std::string()> cluster_uuid;
    // The only regions that may hold a message for these forward-paths, sorted;
    // InvalidArgument when they differ among its recipients.
    std::function<absl::StatusOr<std::vector<std::string>>(const spool::Envelope&)> regions;
    // OK, or why no new mail is taken: ResourceExhausted for want of room,
    // Unavailable otherwise.
    std::function<absl::Status()> can_accept;
    // The same, and not about to drain: what Ping says.
    std::function<absl::Status()> is_ready;
  };

  explicit EnqueueService(Dependencies deps);
  ~EnqueueService();
  grpc::Service* service();
  static std::string Name();

 private:
  class Service;
  std::unique_ptr<Service> service_;
};

}  // namespace fermo::node
