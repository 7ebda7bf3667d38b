#include "node/accept/enqueue_service.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <optional>
#include <utility>

#include "fermoposta/v1/spool.grpc.pb.h"
#include "lib/rpc/convert.h"
#include "lib/rpc/status.h"
#include "lib/rpc/unary_service.h"
#include "node/delivery/sha256.h"

namespace fermo::node {
namespace {

namespace v1 = ::fermoposta::v1;
constexpr size_t kMaxChunk = 256 << 10;

// One Enqueue. Lives until gRPC is done with it and no hand-over is under way.
class EnqueueCall final : public grpc::ServerReadReactor<v1::EnqueueRequest>,
                          public std::enable_shared_from_this<EnqueueCall> {
 public:
  EnqueueCall(const EnqueueService::Dependencies& deps, v1::EnqueueResponse* response)
      : deps_(deps), response_(response) {}

  void Begin() {
    self_ = shared_from_this();
    StartRead(&request_);
  }

  // --- On gRPC's threads.
  void OnReadDone(bool ok) override {
    if (!ok) {
      Post([](EnqueueCall& call) { call.Broken(); });
      return;
    }
    // Pure computing, a fraction of a millisecond at most; one read at a time.
    hash_.Update(request_.chunk());
    const auto is_8bit = [](char octet) { return static_cast<uint8_t>(octet) >= 0x80; };
    eight_bit_ =
        eight_bit_ || std::any_of(request_.chunk().begin(), request_.chunk().end(), is_8bit);
    Post([](EnqueueCall& call) { call.Take(); });
  }
  void OnCancel() override {
    Post([](EnqueueCall& call) { call.Broken(); });
  }
  void OnDone() override {
    net::asio::post(deps_.executor, [self = std::move(self_)] {});
  }

 private:
  template <class F>
  void Post(F f) {
    net::asio::post(deps_.executor, [self = shared_from_this(), f] { f(*self); });
  }

  // --- On the core executor.
  void Take() {
    if (finished_) return;
    absl::Status status = Open();
    if (status.ok() && request_.chunk().size() > kMaxChunk) {
      status = absl::InvalidArgumentError("chunk: more than 256 KiB");
    }
    if (!status.ok()) {
      End(status);
      return;
    }
    std::string chunk = std::move(*request_.mutable_chunk());
    size_ += chunk.size();
    if (request_.last()) {
      CommitWith(std::move(chunk));
      return;
    }
    AddHeld();
    if (!chunk.empty()) held_ = MakeBytes(std::move(chunk));
    if (finished_) return;
    deps_.core->WhenRoom([self = shared_from_this()] {
      if (self->finished_) return;
      self->request_.Clear();
      self->StartRead(&self->request_);
    });
  }

  // Checks what the first request opens, and begins the upload.
  absl::Status Open() {
    if (upload_) return absl::OkStatus();
    auto start = rpc::FromProto(request_.open());
    if (!start.ok()) return start.status();
    if (start->cluster_uuid != deps_.cluster_uuid()) {
      return absl::FailedPreconditionError("cluster_uuid: another cluster's frontend");
    }
    if (absl::Status can = deps_.can_accept(); !can.ok()) return can;
    auto regions = deps_.regions(start->envelope);
    if (!regions.ok()) return regions.status();
    record_.envelope = std::move(start->envelope);
    record_.token = start->token;
    record_.received_at = WallNow();
    session_id_ = std::move(start->session_id);
    upload_ = deps_.core->Begin(*std::move(regions),
                                [self = shared_from_this()](absl::StatusOr<MessageId> verdict) {
                                  self->Settled(std::move(verdict));
                                });
    return absl::OkStatus();
  }

  // A chunk is held back until the next one shows that it is not the only one.
  void AddHeld() {
    if (!held_) return;
    deps_.core->AddChunk(*upload_, std::exchange(held_, nullptr));
    ++added_;
  }

  void CommitWith(std::string chunk) {
    if (held_ && !chunk.empty()) AddHeld();
    if (!chunk.empty()) held_ = MakeBytes(std::move(chunk));
    if (size_ == 0) {
      End(absl::InvalidArgumentError("chunk: a message has at least one octet"));
      return;
    }
    record_.chunks = added_ + 1;
    record_.size = size_;
    record_.digest = hash_.Finish();
    // Declared 8BITMIME and none in it: any primary may have it (RFC 6152 section 3).
    if (record_.envelope.body == spool::BodyType::k8BitMime && !eight_bit_) {
      record_.envelope.body = spool::BodyType::k7Bit;
    }
    if (absl::Status limits = spool::CheckLimits(record_); !limits.ok()) {
      End(limits);
      return;
    }
    Bytes only;
    if (added_ == 0) {
      only = std::exchange(held_, nullptr);
    } else {
      AddHeld();
    }
    committed_ = true;
    deps_.core->Commit(*upload_, std::move(record_), std::move(only));
  }

  void Settled(absl::StatusOr<MessageId> verdict) {
    if (finished_) return;
    if (verdict.ok()) {
      response_->set_message_id(ToString(*verdict));
      deps_.log.Info(
          "message_stored",
          {{log::kMessageId, *verdict}, {log::kSessionId, session_id_}, {log::kBytes, size_}});
    } else {
      deps_.log.Warning("message_refused",
                        {{log::kSessionId, session_id_}, {log::kError, verdict.status()}});
    }
    upload_settled_ = true;
    End(verdict.status());
  }

  void Broken() { End(absl::CancelledError("the frontend went away")); }

  void End(const absl::Status& status) {
    if (std::exchange(finished_, true)) return;
    if (upload_ && !upload_settled_) deps_.core->Abandon(*upload_);
    // Aborted is our own word for "not taken": no transport says it.
    const bool refused = absl::IsUnavailable(status);
    Finish(rpc::ToGrpc(refused ? absl::AbortedError(status.message()) : status));
  }

  const EnqueueService::Dependencies& deps_;
  v1::EnqueueResponse* response_;
  std::shared_ptr<EnqueueCall> self_;  // until OnDone
  v1::EnqueueRequest request_;
  Sha256 hash_;
  std::optional<cluster::UploadId> upload_;
  spool::MessageRecord record_;
  std::string session_id_;
  Bytes held_;
  uint32_t added_ = 0;
  uint64_t size_ = 0;
  bool eight_bit_ = false;
  bool committed_ = false;
  bool upload_settled_ = false;
  bool finished_ = false;
};

}  // namespace

class EnqueueService::Service final : public v1::Spool::CallbackService {
 public:
  explicit Service(Dependencies deps) : deps_(std::move(deps)) {}

  grpc::ServerReadReactor<v1::EnqueueRequest>* Enqueue(grpc::CallbackServerContext*,
                                                       v1::EnqueueResponse* response) override {
    auto call = std::make_shared<EnqueueCall>(deps_, response);
    call->Begin();
    return call.get();
  }

  // Ends within the append budget; the caller's deadline does not shorten it.
  grpc::ServerUnaryReactor* Resolve(grpc::CallbackServerContext* context,
                                    const v1::ResolveRequest* request,
                                    v1::ResolveResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    net::asio::post(deps_.executor, [this, reactor, request, response] {
      if (request->cluster_uuid() != deps_.cluster_uuid()) {
        reactor->Finish(
            rpc::ToGrpc(absl::FailedPreconditionError("cluster_uuid: another cluster's frontend")));
        return;
      }
      deps_.core->Resolve(request->token(), [reactor, response](absl::StatusOr<MessageId> verdict) {
        if (verdict.ok()) response->set_message_id(ToString(*verdict));
        reactor->Finish(rpc::ToGrpc(verdict.status()));
      });
    });
    return reactor;
  }

  grpc::ServerUnaryReactor* Ping(grpc::CallbackServerContext* context,
                                 const v1::PingRequest* request,
                                 v1::PingResponse* response) override {
    return rpc::Serve(context, deps_.executor, [this, request, response] {
      absl::Status can = deps_.is_ready();
      if (request->cluster_uuid() != deps_.cluster_uuid()) {
        can = absl::FailedPreconditionError("another cluster's node");
      }
      response->set_ready(can.ok());
      response->set_reason(std::string(can.message()));
      return absl::OkStatus();
    });
  }

 private:
  const Dependencies deps_;
};

EnqueueService::EnqueueService(Dependencies deps)
    : service_(std::make_unique<Service>(std::move(deps))) {}
EnqueueService::~EnqueueService() = default;
grpc::Service* EnqueueService::service() { return service_.get(); }
std::string EnqueueService::Name() { return v1::Spool::service_full_name(); }

}  // namespace fermo::node
