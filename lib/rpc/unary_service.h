// The server's half of a unary call on an Asio executor: a callback service's
// method hands over and returns; the answer is finished when the handler is.
//
//   grpc::ServerUnaryReactor* Ping(grpc::CallbackServerContext* context,
//                                  const v1::PingRequest* request,
//                                  v1::PingResponse* response) override {
//     return rpc::Serve(context, executor_, [=, this] { return DoPing(request, response); });
//   }
//
// `handler` is called on the executor, once. It returns absl::Status, or
// awaitable<absl::Status> of a named coroutine with by-value parameters.
// Request and response stay valid until the handler has returned or its
// coroutine has ended, also when the client has gone. An exception becomes
// Internal.
#pragma once

#include <exception>
#include <type_traits>
#include <utility>

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "absl/status/status.h"
#include "lib/rpc/status.h"

namespace fermo::rpc {

namespace detail {

template <class Handler>
void RunPlain(grpc::ServerUnaryReactor* reactor, Handler& handler) {
  absl::Status status;
  try {
    status = handler();
  } catch (const std::exception& error) {
    status = absl::InternalError(error.what());
  }
  reactor->Finish(ToGrpc(status));
}

template <class Handler>
void RunCoroutine(boost::asio::any_io_executor executor, grpc::ServerUnaryReactor* reactor,
                  Handler& handler) {
  boost::asio::co_spawn(executor, handler(),
                        [reactor](std::exception_ptr error, absl::Status status) {
                          if (error) status = absl::InternalError("the handler threw an exception");
                          reactor->Finish(ToGrpc(status));
                        });
}

}  // namespace detail

template <class Handler>
grpc::ServerUnaryReactor* Serve(grpc::CallbackServerContext* context,
                                boost::asio::any_io_executor executor, Handler handler) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  boost::asio::post(executor, [executor, reactor, handler = std::move(handler)]() mutable {
    if constexpr (std::is_same_v<decltype(handler()), absl::Status>) {
      detail::RunPlain(reactor, handler);
    } else {
      detail::RunCoroutine(executor, reactor, handler);
    }
  });
  return reactor;
}

}  // namespace fermo::rpc
