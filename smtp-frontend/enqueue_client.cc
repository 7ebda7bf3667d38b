#include "smtp-frontend/enqueue_client.h"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "lib/rpc/channel.h"
#include "lib/rpc/status.h"

namespace fermo::frontend {

namespace asio = boost::asio;

static constexpr char kMethod[] = "/fermoposta.v1.Spool/Enqueue";

template <class Handler>
struct EnqueueCall::HandlerWaiter final : Waiter {
  using Executor = asio::associated_executor_t<Handler>;

  explicit HandlerWaiter(Handler h)
      : handler(std::move(h)), executor(asio::get_associated_executor(handler)), work(executor) {}

  void Wake(absl::Status status) override {
    asio::post(executor, [handler = std::move(handler), work = std::move(work),
                          status = std::move(status)]() mutable {
      auto slot = asio::get_associated_cancellation_slot(handler);
      if (slot.is_connected()) slot.clear();
      work.reset();
      std::move(handler)(std::move(status));
    });
  }

  Handler handler;
  Executor executor;
  asio::executor_work_guard<Executor> work;
};

struct EnqueueCall::StartWaiting {
  template <class Handler>
  void operator()(Handler handler, std::shared_ptr<EnqueueCall> call, Until until) const {
    auto slot = asio::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) {
      slot.assign([weak = std::weak_ptr<EnqueueCall>(call)](asio::cancellation_type) {
        if (const auto running = weak.lock()) {
          running->GiveUp(absl::CancelledError("the session ended"));
        }
      });
    }
    call->StartWaitingWith(
        until, std::make_unique<HandlerWaiter<std::decay_t<Handler>>>(std::move(handler)));
  }
};

EnqueueStubs::EnqueueStubs(std::shared_ptr<grpc::Channel> channel)
    : streaming(v1::Spool::NewStub(channel)), whole(channel) {}

std::shared_ptr<EnqueueCall> EnqueueCall::Start(std::shared_ptr<EnqueueStubs> stubs,
                                                v1::EnqueueRequest first, Duration deadline) {
  std::shared_ptr<EnqueueCall> call(new EnqueueCall());
  call->self_ = call;
  call->stubs_ = std::move(stubs);
  EnqueueCall* raw = call.get();
  if (first.last()) {
    call->request_ = std::move(first);
    rpc::SetDeadline(&call->context_, deadline);
    call->stubs_->whole.UnaryCall(&call->context_, kMethod, grpc::StubOptions(), &call->request_,
                                  &call->response_,
                                  [raw](grpc::Status status) { raw->OnDone(status); });
    return call;
  }
  call->context_.set_initial_metadata_corked(true);  // goes with the first request
  call->stubs_->streaming->async()->Enqueue(&call->context_, &call->response_, raw);
  call->AddHold();
  call->held_ = true;
  call->Send(std::move(first));
  call->StartCall();
  return call;
}

void EnqueueCall::Send(v1::EnqueueRequest request) {
  request_ = std::move(request);
  {
    std::lock_guard lock(mutex_);
    written_ = false;
  }
  if (!request_.last()) return StartWrite(&request_);
  StartWriteLast(&request_, grpc::WriteOptions());
  Release();
}

void EnqueueCall::Release() {
  bool held;
  {
    std::lock_guard lock(mutex_);
    held = std::exchange(held_, false);
  }
  if (held) RemoveHold();
}

void EnqueueCall::GiveUp(absl::Status status) {
  {
    std::lock_guard lock(mutex_);
    if (!done_) done_ = std::move(status);
  }
  context_.TryCancel();
  Changed();
}

void EnqueueCall::Abandon() {
  context_.TryCancel();
  Release();
}

asio::awaitable<absl::Status> EnqueueCall::Written() { return Wait(Until::kWritten); }
asio::awaitable<absl::Status> EnqueueCall::Done() { return Wait(Until::kDone); }

asio::awaitable<absl::Status> EnqueueCall::Wait(Until until) {
  return asio::async_initiate<const asio::use_awaitable_t<>, void(absl::Status)>(
      StartWaiting(), asio::use_awaitable, shared_from_this(), until);
}

void EnqueueCall::StartWaitingWith(Until until, std::unique_ptr<Waiter> waiter) {
  {
    std::lock_guard lock(mutex_);
    until_ = until;
    waiter_ = std::move(waiter);
  }
  Changed();
}

std::optional<absl::Status> EnqueueCall::Result(Until until) const {
  if (until == Until::kWritten && written_) return absl::OkStatus();
  if (!done_) return std::nullopt;
  if (until == Until::kWritten && done_->ok()) {
    return absl::UnavailableError("the node ended the call before the message was complete");
  }
  return done_;
}

// Wakes the waiting coroutine if what it waits for has happened.
void EnqueueCall::Changed() {
  std::unique_ptr<Waiter> waiter;
  absl::Status status;
  {
    std::lock_guard lock(mutex_);
    if (!waiter_) return;
    std::optional<absl::Status> result = Result(until_);
    if (!result) return;
    status = *std::move(result);
    waiter = std::move(waiter_);
  }
  waiter->Wake(std::move(status));
}

void EnqueueCall::OnWriteDone(bool ok) {
  if (!ok) return Release();  // the call is over: OnDone says how
  {
    std::lock_guard lock(mutex_);
    written_ = true;
  }
  Changed();
}

void EnqueueCall::OnDone(const grpc::Status& status) {
  const auto self = std::move(self_);
  {
    std::lock_guard lock(mutex_);
    if (!done_) done_ = rpc::ToAbsl(status);
  }
  Changed();
}

}  // namespace fermo::frontend
