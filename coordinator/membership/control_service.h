// The Control service: lets processes in, sends each the newest snapshot, and
// hears which one it has applied; and chooses who delivers a segment alone when
// its quorum is gone.
//
// Ownership: what the options point to must outlive the service, and the
// service must outlive the gRPC server. Threading: the methods belong on the
// executor given (an io_context run by one thread); the gRPC half only hands
// over to it. Failure: a refused process gets a status with the reason.
// Memory: a slow process costs the snapshot being sent to it, no queue.
#pragma once

#include <memory>

#include "coordinator/membership/blocking.h"
#include "coordinator/membership/config_store.h"
#include "coordinator/membership/connected.h"
#include "lib/base/log.h"
#include "lib/net/asio.h"

namespace grpc {
class Service;
}

namespace fermo::coordinator {

struct ControlServiceOptions {
  net::Executor executor;
  ConfigStore* config = nullptr;
  Connected* connected = nullptr;
  Blocking* blocking = nullptr;
  Logger log = Logger::Null();
  size_t max_streams = 1024;
  // A survivor that does not ask again for so long has stopped: another may go on.
  Duration survivor_lease = std::chrono::seconds(10);
  Duration join_timeout = std::chrono::seconds(10);  // from connecting to the first request
};

class ControlService {
 public:
  explicit ControlService(ControlServiceOptions options);
  ~ControlService();
  ControlService(const ControlService&) = delete;
  ControlService& operator=(const ControlService&) = delete;

  static const char* Name();  // for the health service
  grpc::Service* service();

  // The store has a newer view: sends it to everyone, and ends the streams of
  // nodes that it says are evicted.
  void OnViewChanged();
  // Ends all streams with Unavailable, and those that come later at once.
  void Close();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace fermo::coordinator
