// What operators see of this node: its status, the messages it owns, the
// copies it keeps, the books of its segments.
//
// Ownership: by the node; everything it looks at outlives it. Threading: the
// core executor; records are read on a thread of the reader's. Failure:
// InvalidArgument names the field; an unreadable record is reported in place.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "lib/net/asio.h"
#include "node/delivery/content_reader.h"
#include "node/delivery/deliverer.h"
#include "node/operations/auditor.h"
#include "node/replication/spool_core.h"

namespace grpc {
class Service;
}

namespace fermo::node {

class NodeOperationsService {
 public:
  struct Dependencies {
    net::Executor executor;
    const SpoolCore* core = nullptr;
    const Deliverer* delivery = nullptr;
    ContentReader* reader = nullptr;
    Auditor* auditor = nullptr;
    std::function<absl::Status()> can_accept;
    std::function<uint64_t()> generation;
    NodeId self;
    uint32_t boot = 0;
    std::string name;
    std::string data_dir;
    std::string version;
    uint32_t copies = 0;  // N, W and the regions of a 250, as configured
    uint32_t write_copies = 0;
    uint32_t min_regions = 0;
  };

  explicit NodeOperationsService(Dependencies deps);
  ~NodeOperationsService();
  grpc::Service* service();
  static std::string Name();

 private:
  class Service;
  std::unique_ptr<Service> service_;
};

}  // namespace fermo::node
