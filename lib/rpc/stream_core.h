// What both ends of a bidirectional stream share: the callbacks, the inbox
// between gRPC's thread and the executor, and the state of the sending half.
// Internal to bidi_stream.h, which describes threading and ownership.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include "absl/status/status.h"

namespace fermo::rpc {

template <class Out, class In>
struct StreamCallbacks {
  // The transport can take a frame: the next one, or nothing until Notify.
  std::function<std::optional<Out>()> next_frame;
  std::function<void(In)> on_frame;
  std::function<void(absl::Status)> on_closed;
};

struct StreamOptions {
  size_t max_unhandled_frames = 8;  // at least 1
  bool wait_for_ready = false;      // client: wait for the connection instead of failing
};

namespace detail {

// Frames that gRPC has read and the executor has not handled. Thread-safe.
template <class In>
class Inbox {
 public:
  explicit Inbox(size_t limit) : limit_(limit == 0 ? 1 : limit) {}

  struct Put {
    bool schedule;  // the executor must be told to come
    bool read_on;   // there is room for one frame more
  };
  Put Add(In frame) {
    std::lock_guard lock(mutex_);
    frames_.push_back(std::move(frame));
    paused_ = ++unhandled_ >= limit_;
    return {!std::exchange(scheduled_, true), !paused_};
  }
  bool AddEnd() {
    std::lock_guard lock(mutex_);
    ended_ = true;
    return !std::exchange(scheduled_, true);
  }

  // Swaps what is there into *frames; returns whether the end comes after it.
  bool Take(std::vector<In>* frames) {
    std::lock_guard lock(mutex_);
    frames->swap(frames_);
    scheduled_ = false;
    return ended_;
  }
  // One frame is handled; true: reading was paused and has to be resumed.
  bool Handled() {
    std::lock_guard lock(mutex_);
    --unhandled_;
    return std::exchange(paused_, false);
  }

 private:
  const size_t limit_;
  std::mutex mutex_;
  std::vector<In> frames_;
  size_t unhandled_ = 0;
  bool paused_ = false;  // no read is outstanding, for want of room
  bool scheduled_ = false;
  bool ended_ = false;
};

// The state machine. `Derived` is the reactor; it offers BeginRead, BeginWrite,
// Settle (called when nothing is being written: may end the call) and
// ReadsOver (the peer will send no more), all on the executor.
template <class Derived, class Out, class In>
class StreamCore : public std::enable_shared_from_this<Derived> {
 public:
  StreamCore(boost::asio::any_io_executor executor, const StreamOptions& options)
      : executor_(executor), work_(std::move(executor)), inbox_(options.max_unhandled_frames) {}

  // --- On the executor.
  void Notify() {
    if (pump_posted_ || writing_ || !MaySend()) return;
    pump_posted_ = true;
    Post([](Derived& self) {
      self.pump_posted_ = false;
      self.Pump();
    });
  }
  bool writing() const { return writing_; }

 protected:
  // --- On gRPC's threads.
  void FrameRead(bool ok) {
    if (!ok) {
      if (inbox_.AddEnd()) Post([](Derived& self) { self.Drain(); });
      return;
    }
    const auto put = inbox_.Add(std::move(incoming_));
    if (put.read_on) derived().BeginRead();
    if (put.schedule) Post([](Derived& self) { self.Drain(); });
  }
  void FrameWritten(bool ok) {
    Post([ok](Derived& self) {
      self.writing_ = false;
      if (!ok) self.write_failed_ = true;
      self.Settle();
      self.Pump();
    });
  }
  template <class Function>
  void Post(Function function) {
    boost::asio::post(executor_, [self = this->shared_from_this(), function = std::move(function)] {
      function(*self);
    });
  }

  // --- On the executor.
  bool MaySend() const { return callbacks_ && !closing_ && !ending_ && !write_failed_; }

  void Pump() {
    if (writing_ || !MaySend()) return;
    const auto callbacks = callbacks_;  // outlives its own destruction in a callback
    std::optional<Out> frame = callbacks->next_frame();
    if (!frame || ending_ || !callbacks_) return;
    outgoing_ = std::move(*frame);
    writing_ = true;
    derived().BeginWrite();
  }

  void Drain() {
    const bool ended = inbox_.Take(&batch_);
    for (In& frame : batch_) {
      const auto callbacks = callbacks_;
      if (!callbacks) break;
      callbacks->on_frame(std::move(frame));
      if (inbox_.Handled() && !ending_) derived().BeginRead();
    }
    batch_.clear();
    if (ended) derived().ReadsOver();
  }

  // The last event. `self` keeps the object while the owner is told.
  void Done(absl::Status status) {
    ending_ = done_ = true;
    work_.reset();
    final_status_ = std::move(status);
    if (const auto callbacks = std::exchange(callbacks_, nullptr)) {
      callbacks->on_closed(final_status_);
    }
  }

  Derived& derived() { return static_cast<Derived&>(*this); }

  const boost::asio::any_io_executor executor_;
  boost::asio::executor_work_guard<boost::asio::any_io_executor> work_;
  Inbox<In> inbox_;
  In incoming_;   // gRPC's while a read is outstanding
  Out outgoing_;  // gRPC's while writing_

  std::shared_ptr<const StreamCallbacks<Out, In>> callbacks_;  // null: nobody listens
  std::vector<In> batch_;
  bool pump_posted_ = false;
  bool writing_ = false;
  bool write_failed_ = false;
  bool closing_ = false;  // the owner wants no more frames sent
  bool ending_ = false;   // no operation may be started any more
  bool done_ = false;
  absl::Status final_status_;
};

}  // namespace detail
}  // namespace fermo::rpc
