// One Spool.Enqueue call, for a coroutine to wait on. Internal to
// grpc_spool_client.
//
// The call keeps itself alive until gRPC is done with it; the upload holds
// it, too. Threading: all methods on the coroutine that owns the upload, one
// wait at a time; gRPC's threads only record what happened and wake the
// coroutine on its own executor. Lifetime of the io_context: as in
// lib/rpc/unary.h.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/client_callback.h>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "fermoposta/v1/spool.grpc.pb.h"
#include "lib/base/time.h"

namespace fermo::frontend {

namespace v1 = ::fermoposta::v1;

// How Enqueue is called on one channel.
struct EnqueueStubs {
  explicit EnqueueStubs(std::shared_ptr<grpc::Channel> channel);

  std::unique_ptr<v1::Spool::Stub> streaming;
  // A stream of one request is on the wire what a unary call is, and as such
  // costs gRPC one completion instead of three.
  grpc::TemplatedGenericStub<v1::EnqueueRequest, v1::EnqueueResponse> whole;
};

class EnqueueCall final : public grpc::ClientWriteReactor<v1::EnqueueRequest>,
                          public std::enable_shared_from_this<EnqueueCall> {
 public:
  // Starts the call with its first request. If that is the last one, too, the
  // whole call is one write, and `deadline` is the call's; else it has none.
  static std::shared_ptr<EnqueueCall> Start(std::shared_ptr<EnqueueStubs> stubs,
                                            v1::EnqueueRequest first, Duration deadline);

  // The next request. REQUIRES: the one before was written, and was not the last.
  void Send(v1::EnqueueRequest request);

  // Until the transport has taken the last request sent: OK, or how the call ended.
  boost::asio::awaitable<absl::Status> Written();
  // Until the call is over. REQUIRES: the last request was sent.
  boost::asio::awaitable<absl::Status> Done();

  // After Done said OK.
  const std::string& message_id() const { return response_.message_id(); }
  // After Written failed by the node's doing: the request that was not written.
  v1::EnqueueRequest TakeRequest() { return std::move(request_); }

  // Cancels the call and ends the wait at once with `status`: gRPC itself ends a
  // write only when the socket has taken it, which a frozen node may delay for
  // long. From any thread.
  void GiveUp(absl::Status status);
  // Cancels the call if it still runs; nothing more will be sent.
  void Abandon();

 private:
  enum class Until { kWritten, kDone };
  // A coroutine that waits, whatever the type of its handler.
  struct Waiter {
    virtual ~Waiter() = default;
    virtual void Wake(absl::Status status) = 0;  // posts
  };
  template <class Handler>
  struct HandlerWaiter;
  struct StartWaiting;

  EnqueueCall() = default;
  boost::asio::awaitable<absl::Status> Wait(Until until);
  void Release();
  void StartWaitingWith(Until until, std::unique_ptr<Waiter> waiter);
  // What a wait would get now; nothing while it has to go on.
  std::optional<absl::Status> Result(Until until) const;
  void Changed();

  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  std::shared_ptr<EnqueueStubs> stubs_;
  std::shared_ptr<EnqueueCall> self_;  // until OnDone
  grpc::ClientContext context_;
  v1::EnqueueRequest request_;  // gRPC's until written
  v1::EnqueueResponse response_;
  bool held_ = false;  // gRPC waits for more requests from us; guarded by mutex_

  std::mutex mutex_;
  bool written_ = false;
  std::optional<absl::Status> done_;  // how the call ended, or that we gave up
  Until until_ = Until::kDone;
  std::unique_ptr<Waiter> waiter_;
};

}  // namespace fermo::frontend
