// Counts work in progress, so that a shutdown can wait for its end.
//
// Thread-safe. Whoever starts work enters and keeps the Pass; after Close nobody
// enters any more. Passes may outlive the Gate.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "lib/base/time.h"
#include "lib/net/asio.h"

namespace fermo::net {

class Gate {
  struct State;

 public:
  // Leaves when destroyed.
  class Pass {
   public:
    Pass(Pass&&) noexcept = default;
    Pass& operator=(Pass&& other) noexcept {
      std::swap(state_, other.state_);
      return *this;
    }
    ~Pass();

   private:
    friend class Gate;
    explicit Pass(std::shared_ptr<State> state) : state_(std::move(state)) {}
    std::shared_ptr<State> state_;
  };

  explicit Gate(Executor executor);

  // Nothing when closed.
  std::optional<Pass> TryEnter();
  void Close();
  bool closed() const;
  size_t count() const;

  // True once closed and empty, false when `d` has passed before.
  Awaitable<bool> WaitUntilEmpty(Duration d);

 private:
  std::shared_ptr<State> state_;
};

}  // namespace fermo::net
