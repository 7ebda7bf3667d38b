// Threads for work that blocks on the disk, so that the executor which serves
// streams and calls never does.
//
// Thread-safe. Join, or the destructor, waits for the work under way.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <functional>
#include <utility>

#include "lib/net/asio.h"

namespace fermo::coordinator {

class Blocking {
 public:
  explicit Blocking(size_t threads) : pool_(threads) {}
  ~Blocking() { Join(); }

  // Runs `work` on one of the threads and resumes the caller on its own
  // executor. T is absl::Status or absl::StatusOr<...>.
  template <class T>
  net::Awaitable<T> Run(std::function<T()> work) {
    net::Executor executor = pool_.get_executor();
    co_return co_await net::asio::co_spawn(executor, RunHere<T>(std::move(work)),
                                           net::asio::use_awaitable);
  }

  void Join() { pool_.join(); }

 private:
  template <class T>
  static net::Awaitable<T> RunHere(std::function<T()> work) {
    co_return work();
  }

  net::asio::thread_pool pool_;
};

}  // namespace fermo::coordinator
