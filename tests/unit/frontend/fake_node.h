// A node's Spool service over real gRPC, whose verdicts a test chooses.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fermoposta/v1/spool.grpc.pb.h"
#include "lib/rpc/server.h"
#include "tests/unit/rpc/tcp_relay.h"

namespace fermo::frontend {

class FakeNode final : public fermoposta::v1::Spool::CallbackService {
 public:
  struct Message {
    fermoposta::v1::EnqueueOpen open;
    std::string content;
    size_t requests = 0;
  };

  FakeNode() {
    rpc::ServerOptions options;
    options.listen = "127.0.0.1:0";
    options.insecure = true;
    options.services = {{fermoposta::v1::Spool::service_full_name(), this}};
    server_ = *rpc::Server::Start(std::move(options));
    relay = std::make_unique<rpc::TcpRelay>(server_->port());
  }
  ~FakeNode() override { server_->Shutdown(Duration::zero()); }

  std::atomic<bool> ready{true};
  // What Enqueue answers after the last request.
  std::atomic<int> verdict{0};
  // What it answers at the first request, before the message is complete.
  std::atomic<int> early_verdict{0};
  std::atomic<bool> silent{false};          // no verdict ever
  std::atomic<bool> keeps_silently{false};  // none either, but it can be asked for
  std::atomic<bool> keep{true};             // remember the messages
  std::atomic<int> begun{0};                // calls
  std::atomic<int> cancelled{0};            // calls that ended without a verdict
  std::unique_ptr<rpc::TcpRelay> relay;

  // Past the relay.
  const std::string& direct_address() const { return server_->address(); }

  std::vector<Message> messages() {
    std::lock_guard lock(mutex_);
    return messages_;
  }

 private:
  class Upload final : public grpc::ServerReadReactor<fermoposta::v1::EnqueueRequest> {
   public:
    Upload(FakeNode* node, fermoposta::v1::EnqueueResponse* response)
        : node_(node), response_(response) {
      ++node_->begun;
      StartRead(&request_);
    }
    void OnReadDone(bool ok) override {
      if (!ok) return End(grpc::Status(grpc::StatusCode::ABORTED, "cut off"), true);
      ++message_.requests;
      if (request_.has_open()) message_.open = request_.open();
      if (const int early = node_->early_verdict) return End(Status(early), false);
      if (node_->keep) message_.content += request_.chunk();
      if (!request_.last()) return StartRead(&request_);
      if (node_->silent) return;
      if (node_->keeps_silently) return node_->KeepFor(std::move(message_));
      const int verdict = node_->verdict;
      if (verdict == 0) response_->set_message_id(node_->Keep(std::move(message_)));
      End(Status(verdict), false);
    }
    void OnCancel() override { End(grpc::Status::CANCELLED, true); }
    void OnDone() override { delete this; }

   private:
    static grpc::Status Status(int code) {
      return code == 0 ? grpc::Status::OK
                       : grpc::Status(static_cast<grpc::StatusCode>(code), "as told");
    }
    void End(grpc::Status status, bool was_cancelled) {
      if (ended_.exchange(true)) return;
      if (was_cancelled) ++node_->cancelled;
      Finish(std::move(status));
    }
    FakeNode* node_;
    fermoposta::v1::EnqueueResponse* response_;
    fermoposta::v1::EnqueueRequest request_;
    Message message_;
    std::atomic<bool> ended_{false};
  };

  void KeepFor(Message message) {
    const uint64_t token = message.open.token();
    std::string id = Keep(std::move(message));
    std::lock_guard lock(mutex_);
    kept_[token] = std::move(id);
  }
  grpc::ServerUnaryReactor* Resolve(grpc::CallbackServerContext* context,
                                    const fermoposta::v1::ResolveRequest* request,
                                    fermoposta::v1::ResolveResponse* response) override {
    auto* reactor = context->DefaultReactor();
    std::lock_guard lock(mutex_);
    const auto known = kept_.find(request->token());
    if (known == kept_.end()) {
      reactor->Finish(grpc::Status(grpc::StatusCode::NOT_FOUND, "unknown token"));
      return reactor;
    }
    response->set_message_id(known->second);
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  std::string Keep(Message message) {
    std::lock_guard lock(mutex_);
    if (keep) messages_.push_back(std::move(message));
    return "id-" + std::to_string(++count_);
  }
  grpc::ServerReadReactor<fermoposta::v1::EnqueueRequest>* Enqueue(
      grpc::CallbackServerContext*, fermoposta::v1::EnqueueResponse* response) override {
    return new Upload(this, response);
  }
  grpc::ServerUnaryReactor* Ping(grpc::CallbackServerContext* context,
                                 const fermoposta::v1::PingRequest*,
                                 fermoposta::v1::PingResponse* response) override {
    response->set_ready(ready);
    if (!ready) response->set_reason("told so");
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  std::unique_ptr<rpc::Server> server_;
  std::mutex mutex_;
  std::vector<Message> messages_;
  std::map<uint64_t, std::string> kept_;  // without a verdict, by token
  int count_ = 0;
};

}  // namespace fermo::frontend
