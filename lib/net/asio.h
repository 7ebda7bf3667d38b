// The names under which the house uses Boost.Asio, and two ways to start work.
//
// Coroutines are named functions with by-value parameters; operations return
// their error as a value (kAwait), never as an exception. No aggregate or
// braced temporary in an expression with co_await: gcc 12 destroys it twice.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <functional>
#include <string_view>

#include "absl/status/status.h"
#include "lib/base/time.h"

namespace fermo::net {

namespace asio = boost::asio;
using Executor = asio::any_io_executor;
using ErrorCode = boost::system::error_code;
template <class T>
using Awaitable = asio::awaitable<T>;

// auto [error, n] = co_await socket.async_read_some(buffer, kAwait);
inline constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// Starts a coroutine. An exception that escapes it ends this coroutine only; it
// is given to `done` as Internal, as is Ok when it returns. `done` may be empty,
// and then an escaped exception ends the process: it is a bug that nobody watches.
// Exceptions: only those that library code may throw, bad_alloc above all.
void Spawn(Executor executor, Awaitable<void> coroutine,
           std::function<void(absl::Status)> done = {});

// Resumes after `d`. False if cancelled.
Awaitable<bool> SleepFor(Duration d);

// DeadlineExceeded for timed_out, Cancelled for operation_aborted, Unavailable for
// whatever the network does, ResourceExhausted for lack of descriptors or memory.
// `what` opens the message: "connect to 192.0.2.1:25: Connection refused".
absl::Status StatusFromError(const ErrorCode& error, std::string_view what);

}  // namespace fermo::net
