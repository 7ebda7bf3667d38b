#include "lib/net/asio.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <exception>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fermo::net {
namespace {

std::string Describe(const std::exception_ptr& escaped) {
  try {
    std::rethrow_exception(escaped);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "of a foreign type";
  }
}

}  // namespace

void Spawn(Executor executor, Awaitable<void> coroutine, std::function<void(absl::Status)> done) {
  asio::co_spawn(executor, std::move(coroutine),
                 [done = std::move(done)](std::exception_ptr escaped) {
                   if (!done) {
                     if (escaped) std::rethrow_exception(escaped);
                   } else if (escaped) {
                     done(absl::InternalError(absl::StrCat("exception ", Describe(escaped))));
                   } else {
                     done(absl::OkStatus());
                   }
                 });
}

Awaitable<bool> SleepFor(Duration d) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(d);
  const auto [error] = co_await timer.async_wait(kAwait);
  co_return !error;
}

absl::Status StatusFromError(const ErrorCode& error, std::string_view what) {
  if (!error) return absl::OkStatus();
  std::string text(what);
  if (error == asio::error::operation_aborted) {
    return absl::CancelledError(text + ": cancelled");
  }
  text.append(": ").append(error.message());
  if (error == asio::error::timed_out) return absl::DeadlineExceededError(text);
  if (error.category() == boost::system::system_category()) {
    switch (error.value()) {
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        return absl::ResourceExhaustedError(text);
      case EACCES:
      case EPERM:
        return absl::PermissionDeniedError(text);
      default:
        break;
    }
  }
  return absl::UnavailableError(text);
}

}  // namespace fermo::net
