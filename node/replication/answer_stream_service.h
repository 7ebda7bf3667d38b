// A peer's stream to us: its requests come in, our answers go out.
//
// Ownership: by the mesh. Threading: the core executor. Failure: a hello that
// does not fit (another cluster, an evicted or unknown node, an older stream)
// ends the call with FailedPrecondition and the reason; nonsense ends it with
// InvalidArgument.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "node/replication/frames_client.h"

namespace fermo::node {

template <class Traits>
class AnswerStream {
 public:
  using Frame = typename Traits::Frame;
  using Message = typename Traits::Message;
  using Stream = rpc::ServerStream<Frame, Frame>;
  struct Callbacks {
    // OK: taken; `own` is filled with our hello.
    std::function<absl::Status(const fermoposta::v1::Hello& theirs, fermoposta::v1::Hello* own)>
        judge;
    std::function<void(NodeId from, uint32_t boot, Message)> on_message;
    std::function<void()> on_closed;  // the owner may destroy this within
  };

  explicit AnswerStream(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}

  void Start(Callbacks callbacks) {
    callbacks_ = std::move(callbacks);
    rpc::StreamCallbacks<Frame, Frame> handlers;
    handlers.next_frame = [this] { return NextFrame(); };
    handlers.on_frame = [this](Frame frame) { Receive(std::move(frame)); };
    handlers.on_closed = [this](absl::Status) { callbacks_.on_closed(); };
    stream_->Start(std::move(handlers));
  }
  void Send(Message message) {
    if (!greeted_) return;
    if (!queue_.Push(std::move(message))) {
      queue_.Clear();
      greeted_ = false;  // nothing more is sent
      stream_->Close(absl::ResourceExhaustedError("answers are not taken"));
      return;
    }
    stream_->Notify();
  }
  void Close(absl::Status status) { stream_->Close(std::move(status)); }
  NodeId from() const { return from_; }
  uint32_t boot() const { return boot_; }
  uint64_t number() const { return number_; }

 private:
  std::optional<Frame> NextFrame() {
    if (!greeted_) return std::nullopt;
    if (!std::exchange(hello_sent_, true)) {
      Frame frame;
      *frame.mutable_hello() = own_;
      return frame;
    }
    if (queue_.empty()) return std::nullopt;
    return queue_.Pull();
  }

  void Receive(Frame frame) {
    if (!greeted_) {
      from_ = NodeId(frame.hello().node());
      boot_ = frame.hello().boot();
      number_ = frame.hello().stream();
      absl::Status verdict = callbacks_.judge(frame.hello(), &own_);
      if (!verdict.ok()) {
        stream_->Close(std::move(verdict));
        return;
      }
      greeted_ = true;
      stream_->Notify();
    }
    for (auto& message : *frame.mutable_messages()) {
      auto converted = rpc::FromProto(std::move(message));
      if (!converted.ok()) {
        stream_->Close(converted.status());
        return;
      }
      callbacks_.on_message(from_, boot_, *std::move(converted));
    }
  }

  std::unique_ptr<Stream> stream_;
  Callbacks callbacks_;
  OutQueue<Traits> queue_;
  fermoposta::v1::Hello own_;
  bool greeted_ = false;
  bool hello_sent_ = false;
  NodeId from_;
  uint32_t boot_ = 0;
  uint64_t number_ = 0;
};

}  // namespace fermo::node
