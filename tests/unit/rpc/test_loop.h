// An io_context that a test runs by hand until what it waits for has happened.
#pragma once

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <utility>

namespace fermo::rpc {

class TestLoop {
 public:
  boost::asio::any_io_executor executor() { return io_.get_executor(); }

  // Runs until `done()`; false when that takes more than ten seconds.
  template <class Done>
  bool RunUntil(Done done) {
    return RunFor(std::chrono::seconds(10), std::move(done));
  }
  template <class Done>
  bool RunFor(std::chrono::nanoseconds limit, Done done) {
    const auto end = std::chrono::steady_clock::now() + limit;
    // Keeps the context from stopping while everything is still with gRPC.
    auto work = boost::asio::make_work_guard(io_);
    io_.restart();
    while (!done()) {
      const auto now = std::chrono::steady_clock::now();
      if (now > end) return false;
      io_.run_one_until(std::min(end, now + std::chrono::milliseconds(20)));
    }
    return true;
  }
  // Runs until nothing is left: every call and stream has been let go of.
  bool Drain() {
    io_.restart();
    io_.run_for(std::chrono::seconds(10));
    return io_.stopped();
  }
  // Runs a coroutine to its end. `T` must not be void.
  template <class T>
  std::optional<T> Await(boost::asio::awaitable<T> coroutine) {
    std::optional<T> result;
    boost::asio::co_spawn(io_, std::move(coroutine), [&result](std::exception_ptr error, T value) {
      if (error) std::rethrow_exception(error);
      result = std::move(value);
    });
    RunUntil([&result] { return result.has_value(); });
    return result;
  }

 private:
  boost::asio::io_context io_{1};
};

}  // namespace fermo::rpc
