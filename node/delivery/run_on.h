// Work that blocks on the disk, on a pool of threads of its own.
//
// The pool belongs to the caller and outlives the work. Threading: any executor
// may ask and is resumed there; the work runs on a thread of the pool. Failure:
// the work's own.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <utility>

#include "absl/status/statusor.h"
#include "lib/net/asio.h"

namespace fermo::node {

// Runs `work` on the pool and resumes the coroutine on its own executor.
template <class T>
net::Awaitable<absl::StatusOr<T>> RunOn(net::asio::thread_pool& pool,
                                        std::function<absl::StatusOr<T>()> work) {
  auto start = [&pool, work = std::move(work)](auto handler) {
    // The coroutine's context must not run out of work while the disk is busy.
    auto executor = net::asio::prefer(net::asio::get_associated_executor(handler),
                                      net::asio::execution::outstanding_work.tracked);
    auto job = [executor, work, handler = std::move(handler)]() mutable {
      auto resume = [handler = std::move(handler), result = work()]() mutable {
        std::move(handler)(std::move(result));
      };
      net::asio::post(executor, std::move(resume));
    };
    net::asio::post(pool, std::move(job));
  };
  return net::asio::async_initiate<const net::asio::use_awaitable_t<>&, void(absl::StatusOr<T>)>(
      std::move(start), net::asio::use_awaitable);
}

}  // namespace fermo::node
