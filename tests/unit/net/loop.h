// An io_context on the test's own thread: coroutines are run to their end there,
// with a limit, so that a lost wake-up fails a test instead of hanging it.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <functional>
#include <optional>
#include <utility>

#include "gtest/gtest.h"
#include "lib/net/asio.h"

namespace fermo::net::test {

inline constexpr std::chrono::seconds kLimit(20);

class Loop {
 public:
  Executor executor() { return io_.get_executor(); }
  asio::io_context& io() { return io_; }

  // The result of the coroutine. Fails the test, and throws, after kLimit.
  template <class T>
  T Run(Awaitable<T> coroutine) {
    std::optional<T> result;
    asio::co_spawn(io_, std::move(coroutine), [&result](std::exception_ptr escaped, T value) {
      EXPECT_FALSE(escaped);
      result.emplace(std::move(value));
    });
    RunUntil([&result] { return result.has_value(); });
    return std::move(*result);
  }

  void Run(Awaitable<void> coroutine) {
    bool done = false;
    asio::co_spawn(io_, std::move(coroutine), [&done](std::exception_ptr escaped) {
      EXPECT_FALSE(escaped);
      done = true;
    });
    RunUntil([&done] { return done; });
  }

  void RunUntil(const std::function<bool()>& condition) {
    io_.restart();
    const auto end = std::chrono::steady_clock::now() + kLimit;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) throw std::runtime_error("waited too long");
      if (io_.stopped()) io_.restart();
      io_.run_one_for(std::chrono::milliseconds(50));
    }
  }

 private:
  asio::io_context io_{1};
};

}  // namespace fermo::net::test
