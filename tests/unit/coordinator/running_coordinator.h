// A real coordinator on loopback for tests: real store, real gRPC, real HTTP.
// What nodes and frontends do is done by small real processes' stand-ins:
// WatchingProcess keeps a Control.Watch stream, AnsweringNode serves
// NodeOperations from a status and messages that the test sets.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "coordinator/coordinator.h"
#include "fermoposta/v1/control.grpc.pb.h"
#include "fermoposta/v1/node_operations.grpc.pb.h"
#include "fermoposta/v1/operations.grpc.pb.h"
#include "lib/rpc/server.h"
#include "tests/unit/coordinator/temp_dir.h"

namespace fermo::coordinator {

namespace v1 = ::fermoposta::v1;

class RunningCoordinator {
 public:
  explicit RunningCoordinator(const std::string& data_dir,
                              Duration survivor_lease = std::chrono::seconds(10)) {
    CoordinatorOptions options;
    options.name = "c1";
    options.listen.host = options.http_listen.host = "127.0.0.1";
    options.data_dir = data_dir;
    options.insecure = true;
    options.version = "test";
    options.apply_limit = std::chrono::milliseconds(1500);
    options.node_deadline = std::chrono::milliseconds(700);
    options.survivor_lease = survivor_lease;
    auto started = Coordinator::Start(io_.get_executor(), std::move(options));
    if (!started.ok()) {
      status_ = started.status();
      return;
    }
    coordinator_ = *std::move(started);
    thread_ = std::thread([this] { io_.run(); });
    channel_ =
        grpc::CreateChannel(coordinator_->grpc_address(), grpc::InsecureChannelCredentials());
    operations_ = v1::Operations::NewStub(channel_);
  }
  ~RunningCoordinator() {
    if (!coordinator_) return;
    net::Spawn(io_.get_executor(), coordinator_->Drain());
    thread_.join();  // the executor runs out of work
  }

  const absl::Status& status() const { return status_; }
  Coordinator& get() { return *coordinator_; }
  v1::Operations::Stub& operations() { return *operations_; }
  const std::shared_ptr<grpc::Channel>& channel() { return channel_; }

 private:
  boost::asio::io_context io_{1};
  absl::Status status_;
  std::unique_ptr<Coordinator> coordinator_;
  std::thread thread_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Operations::Stub> operations_;
};

// One Control.Watch stream with blocking reads.
class WatchingProcess {
 public:
  WatchingProcess(const std::shared_ptr<grpc::Channel>& channel, const v1::Join& join,
                  uint64_t applied = 0)
      : stub_(v1::Control::NewStub(channel)) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    stream_ = stub_->Watch(&context_);
    v1::WatchRequest request;
    *request.mutable_join() = join;
    request.set_applied_generation(applied);
    stream_->Write(request);
  }
  ~WatchingProcess() {
    context_.TryCancel();
    v1::Snapshot ignored;
    while (stream_->Read(&ignored)) {
    }
  }

  // Reads snapshots until one has this generation or a later one.
  std::optional<v1::Snapshot> ReadUntil(uint64_t generation) {
    v1::Snapshot snapshot;
    while (stream_->Read(&snapshot)) {
      if (snapshot.generation() >= generation) return snapshot;
    }
    return std::nullopt;
  }
  void Acknowledge(uint64_t generation) {
    v1::WatchRequest request;
    request.set_applied_generation(generation);
    stream_->Write(request);
  }
  // For a stream that the coordinator ends.
  grpc::Status End() {
    v1::Snapshot ignored;
    while (stream_->Read(&ignored)) {
    }
    return stream_->Finish();
  }

 private:
  std::unique_ptr<v1::Control::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::WatchRequest, v1::Snapshot>> stream_;
};

class AnsweringNode : public v1::NodeOperations::CallbackService {
 public:
  explicit AnsweringNode(uint64_t id) {
    status_.set_node(id);
    status_.set_ready(true);
    rpc::ServerOptions options;
    options.listen = "127.0.0.1:0";
    options.insecure = true;
    options.services = {{v1::NodeOperations::service_full_name(), this}};
    server_ = rpc::Server::Start(std::move(options)).value();
  }
  ~AnsweringNode() override { Stop(); }

  const std::string& address() const { return server_->address(); }
  void Stop() {
    hanging_ = false;
    server_->Shutdown(Duration::zero());
  }
  // Takes calls and never answers them, until Resume or Stop.
  void Hang() { hanging_ = true; }
  void Resume() { hanging_ = false; }
  v1::NodeStatus* mutable_status() { return &status_; }
  // Of a segment that it owns, writer `writer` and boot 1; the books are the caller's.
  v1::SegmentAudit* AddSegment(uint64_t writer, uint32_t number) {
    v1::SegmentAudit* audit = audit_.add_segments();
    audit->mutable_id()->set_writer(writer);
    audit->mutable_id()->set_boot(1);
    audit->mutable_id()->set_number(number);
    audit->set_complete(true);
    return audit;
  }
  void Hold(uint64_t writer, uint32_t number, bool owned, uint64_t messages) {
    v1::HeldSegment* held = status_.add_held_segments();
    held->mutable_id()->set_writer(writer);
    held->mutable_id()->set_boot(1);
    held->mutable_id()->set_number(number);
    held->set_owned(owned);
    held->set_messages(messages);
  }
  void AddMessage(const std::string& id, const std::string& domain) {
    v1::QueuedMessage message;
    message.set_id(id);
    message.set_reverse_path("sender@else.test");
    message.add_legs()->set_forward_path("user@" + domain);
    message.mutable_legs(0)->set_state("waiting");
    messages_.push_back(message);
  }
  // Drains: has this many segments left, and one less at each question.
  void Drain(uint32_t segments) {
    left_ = segments;
    draining_ = true;
  }
  std::atomic<uint32_t> largest_limit = 0;

 private:
  grpc::ServerUnaryReactor* Done(grpc::CallbackServerContext* context) {
    if (hanging_) return new HangingCall;
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  // Ends when the client has given up.
  class HangingCall : public grpc::ServerUnaryReactor {
    void OnCancel() override { Finish(grpc::Status::CANCELLED); }
    void OnDone() override { delete this; }
  };
  grpc::ServerUnaryReactor* GetNodeStatus(grpc::CallbackServerContext* context,
                                          const v1::GetNodeStatusRequest*,
                                          v1::GetNodeStatusResponse* response) override {
    *response->mutable_status() = status_;
    if (draining_) {
      response->mutable_status()->set_draining(true);
      response->mutable_status()->set_to_hand_over(left_);
      if (left_ > 0) --left_;
    }
    return Done(context);
  }
  grpc::ServerUnaryReactor* ListOwnedMessages(grpc::CallbackServerContext* context,
                                              const v1::ListOwnedMessagesRequest* request,
                                              v1::ListOwnedMessagesResponse* response) override {
    largest_limit = std::max<uint32_t>(largest_limit, request->limit());
    for (const v1::QueuedMessage& message : messages_) {
      if (message.id() <= request->after()) continue;
      const std::string& path = message.legs(0).forward_path();
      if (!request->domain().empty() && !path.ends_with("@" + request->domain())) continue;
      if (response->messages_size() == static_cast<int>(request->limit())) {
        response->set_more(true);
        break;
      }
      *response->add_messages() = message;
    }
    return Done(context);
  }
  grpc::ServerUnaryReactor* GetStoredMessage(grpc::CallbackServerContext* context,
                                             const v1::GetStoredMessageRequest* request,
                                             v1::GetStoredMessageResponse* response) override {
    for (const v1::QueuedMessage& message : messages_) {
      if (message.id() == request->id()) *response->mutable_detail()->mutable_message() = message;
    }
    return Done(context);
  }
  grpc::ServerUnaryReactor* AuditOwnedSegments(grpc::CallbackServerContext* context,
                                               const v1::AuditOwnedSegmentsRequest* request,
                                               v1::AuditOwnedSegmentsResponse* response) override {
    // A page for each segment; `from` is the position in the list.
    const int index = static_cast<int>(request->from().seq());
    if (index < audit_.segments_size()) *response->add_segments() = audit_.segments(index);
    if (index + 1 < audit_.segments_size()) {
      response->mutable_next()->set_seq(static_cast<uint32_t>(index) + 1);
    }
    return Done(context);
  }

  v1::NodeStatus status_;
  v1::AuditOwnedSegmentsResponse audit_;
  std::vector<v1::QueuedMessage> messages_;  // ascending by id
  std::atomic<bool> hanging_ = false;
  std::atomic<bool> draining_ = false;
  std::atomic<uint32_t> left_ = 0;
  std::unique_ptr<rpc::Server> server_;
};

inline v1::Join NodeJoin(uint64_t id, const std::string& name, const std::string& region,
                         const std::string& address) {
  v1::Join join;
  join.set_role(v1::ROLE_NODE);
  join.set_name(name);
  join.set_region(region);
  join.set_node(id);
  join.set_boot(1);
  join.set_advertise_address(address);
  join.set_http_address("127.0.0.1:9");
  join.set_version("test");
  return join;
}

inline v1::Join FrontendJoin(const std::string& name, const std::string& smtp_address) {
  v1::Join join;
  join.set_role(v1::ROLE_SMTP_FRONTEND);
  join.set_name(name);
  join.set_region("roma");
  join.set_smtp_address(smtp_address);
  join.set_http_address("127.0.0.1:9");
  return join;
}

}  // namespace fermo::coordinator
