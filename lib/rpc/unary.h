// The client's half of a unary call as an awaitable:
//
//   auto answer = co_await rpc::Call(stub->async(), &Async::Ping, request, deadline);
//
// where Async is v1::Spool::StubInterface::async_interface.
//
// Threading: resumes on the awaiting coroutine's executor; nothing of ours
// runs on gRPC's threads. Cancelling the coroutine cancels the call, which
// then answers Cancelled. Failure: an absl::Status with the server's code, or
// DeadlineExceeded, Unavailable, Cancelled.
//
// Lifetime: the stub must outlive the call. A call under way keeps the
// executor's context busy (work guard): let run() return by itself, so that
// calls are drained before the io_context is destroyed.
#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "absl/status/statusor.h"
#include "lib/base/time.h"
#include "lib/rpc/channel.h"
#include "lib/rpc/status.h"

namespace fermo::rpc {

namespace detail {

// Everything a call under way needs. gRPC's callback holds on to it.
template <class Request, class Response, class Handler>
struct UnaryCall {
  using Executor = boost::asio::associated_executor_t<Handler>;

  UnaryCall(Request r, Handler h)
      : request(std::move(r)),
        handler(std::move(h)),
        executor(boost::asio::get_associated_executor(handler)),
        work(executor) {}

  // On the executor: lets go of everything, then resumes.
  void Complete(std::shared_ptr<UnaryCall> self) {
    auto slot = boost::asio::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) slot.clear();
    absl::StatusOr<Response> result(absl::UnknownError(""));
    if (status.ok()) {
      result = std::move(response);
    } else {
      result = ToAbsl(status);
    }
    Handler resume = std::move(handler);
    work.reset();
    self.reset();
    std::move(resume)(std::move(result));
  }

  grpc::ClientContext context;
  Request request;
  Response response;
  grpc::Status status;
  Handler handler;
  Executor executor;
  boost::asio::executor_work_guard<Executor> work;
};

template <class Stub, class Method, class Request, class Response>
struct StartUnary {
  template <class Handler>
  void operator()(Handler handler, Stub* stub, Method method, Request request,
                  Duration deadline) const {
    using State = UnaryCall<Request, Response, std::decay_t<Handler>>;
    auto call = std::make_shared<State>(std::move(request), std::move(handler));
    SetDeadline(&call->context, deadline);
    auto slot = boost::asio::get_associated_cancellation_slot(call->handler);
    if (slot.is_connected()) {
      slot.assign([weak = std::weak_ptr<State>(call)](boost::asio::cancellation_type) {
        if (auto running = weak.lock()) running->context.TryCancel();
      });
    }
    State* raw = call.get();
    (stub->*method)(&raw->context, &raw->request, &raw->response,
                    [call = std::move(call)](grpc::Status status) mutable {
                      auto finished = std::move(call);
                      finished->status = std::move(status);
                      auto executor = finished->executor;
                      boost::asio::post(executor, [finished = std::move(finished)]() mutable {
                        State* state = finished.get();
                        state->Complete(std::move(finished));
                      });
                    });
  }
};

}  // namespace detail

template <class Stub, class Async, class Request, class Response>
boost::asio::awaitable<absl::StatusOr<Response>> Call(
    Stub* stub,
    void (Async::*method)(grpc::ClientContext*, const Request*, Response*,
                          std::function<void(grpc::Status)>),
    std::type_identity_t<Request> request, Duration deadline) {
  using Start = detail::StartUnary<Stub, decltype(method), Request, Response>;
  return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>,
                                     void(absl::StatusOr<Response>)>(
      Start(), boost::asio::use_awaitable, stub, method, std::move(request), deadline);
}

}  // namespace fermo::rpc
