// One of our streams to a peer: opened, kept open, reopened. Requests go out
// on it, the peer's answers come back on it.
//
// Ownership: by the mesh; destroying it ends the stream. Threading: the core
// executor. Failure: while the stream is down, Send drops. A peer that takes
// nothing for `stall_limit` although something waits, or lets the queue grow
// over its bound, is cut off: it comes back through a new stream and is
// brought up to date by comparing inventories.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "lib/base/log.h"
#include "lib/base/random.h"
#include "lib/net/deadline.h"
#include "node/replication/frames_client.h"

namespace fermo::node {

struct StreamTiming {
  Duration first_backoff = std::chrono::milliseconds(100);
  Duration max_backoff = std::chrono::seconds(1);
  Duration stall_limit = std::chrono::seconds(3);
};

template <class Traits>
class PeerStream {
 public:
  using Frame = typename Traits::Frame;
  using Message = typename Traits::Message;
  struct Callbacks {
    std::function<fermoposta::v1::Hello()> make_hello;  // numbers the stream
    std::function<void(const fermoposta::v1::Hello&)> on_hello;
    std::function<void(uint32_t boot)> on_up;
    std::function<void(const absl::Status&)> on_down;    // was up
    std::function<void(const absl::Status&)> on_failed;  // never came up
    std::function<void(uint32_t boot, Message)> on_message;
  };

  PeerStream(net::Executor executor, std::shared_ptr<grpc::Channel> channel, NodeId peer,
             Callbacks callbacks, StreamTiming timing)
      : executor_(executor),
        channel_(std::move(channel)),
        peer_(peer),
        callbacks_(std::move(callbacks)),
        timing_(timing),
        rng_(RandomSeed()),
        backoff_(timing.first_backoff),
        retry_(executor, [this] { Open(); }),
        stall_(executor, [this] { Stalled(); }) {
    Open();
  }

  void Send(Message message) {
    if (!up_) return;
    if (!queue_.Push(std::move(message))) {
      CutOff(absl::ResourceExhaustedError("the peer is too far behind"));
      return;
    }
    stream_->Notify();
  }
  bool up() const { return up_; }
  size_t queued_bytes() const { return queue_.bytes(); }

 private:
  void Open() {
    hello_sent_ = false;
    rpc::StreamCallbacks<Frame, Frame> callbacks;
    callbacks.next_frame = [this] { return NextFrame(); };
    callbacks.on_frame = [this](Frame frame) { Receive(std::move(frame)); };
    callbacks.on_closed = [this](absl::Status status) { Closed(std::move(status)); };
    stream_ = std::make_unique<rpc::ClientStream<Frame, Frame>>(executor_, Traits::Opener(channel_),
                                                                std::move(callbacks));
    stall_.Arm(timing_.stall_limit);  // for the peer's hello
  }

  std::optional<Frame> NextFrame() {
    if (!std::exchange(hello_sent_, true)) {
      Frame frame;
      *frame.mutable_hello() = callbacks_.make_hello();
      return frame;
    }
    if (!up_) return std::nullopt;
    if (queue_.empty()) {
      stall_.Disarm();
      return std::nullopt;
    }
    stall_.Arm(timing_.stall_limit);  // until the transport asks again
    return queue_.Pull();
  }

  void Receive(Frame frame) {
    if (frame.has_hello()) {
      callbacks_.on_hello(frame.hello());
      boot_ = frame.hello().boot();
      up_ = true;
      backoff_ = timing_.first_backoff;
      stall_.Disarm();
      callbacks_.on_up(boot_);
    }
    if (!up_) return;
    for (auto& message : *frame.mutable_messages()) {
      auto converted = rpc::FromProto(std::move(message));
      if (!converted.ok()) {
        stream_->Cancel();
        return;
      }
      callbacks_.on_message(boot_, *std::move(converted));
      if (!up_) return;  // cut off by what the message led to
    }
  }

  void Stalled() { CutOff(absl::DeadlineExceededError("the peer takes nothing")); }

  // Cancelling would wait for a frozen peer; who cannot wait destroys the stream.
  void CutOff(absl::Status status) {
    stream_.reset();
    Closed(std::move(status));
  }

  void Closed(absl::Status status) {
    stall_.Disarm();
    queue_.Clear();
    const bool was_up = std::exchange(up_, false);
    (was_up ? callbacks_.on_down : callbacks_.on_failed)(status);
    retry_.Arm(rng_.Jitter(backoff_, 0.3));
    backoff_ = std::min(backoff_ * 2, timing_.max_backoff);
  }

  net::Executor executor_;
  std::shared_ptr<grpc::Channel> channel_;
  const NodeId peer_;
  Callbacks callbacks_;
  const StreamTiming timing_;
  Rng rng_;
  Duration backoff_;
  net::Deadline retry_;
  net::Deadline stall_;
  std::unique_ptr<rpc::ClientStream<Frame, Frame>> stream_;
  OutQueue<Traits> queue_;
  bool hello_sent_ = false;
  bool up_ = false;
  uint32_t boot_ = 0;
};

}  // namespace fermo::node
