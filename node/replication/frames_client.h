// How the two replication channels differ: their frames, messages and methods.
//
// Traits for PeerStream and AnswerStream; no state.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>

#include <grpcpp/channel.h>

#include "fermoposta/v1/replication.grpc.pb.h"
#include "lib/cluster/replica_types.h"
#include "lib/rpc/bidi_stream.h"
#include "lib/rpc/convert_replication.h"
#include "node/replication/transport.h"

namespace fermo::node {

inline constexpr size_t kFrameBytes = 256 << 10;
inline constexpr int kFrameMessages = 512;
inline constexpr size_t kMaxMessageBytes = kMeshReceiveBytes;

struct ControlTraits {
  using Frame = fermoposta::v1::ControlFrame;
  using Message = cluster::ControlMessage;
  static constexpr cluster::Channel kChannel = cluster::Channel::kControl;
  static constexpr size_t kMaxQueuedBytes = 32 << 20;
  static size_t Size(const Message& message) { return rpc::WireSize(message); }
  static typename rpc::ClientStream<Frame, Frame>::Opener Opener(
      std::shared_ptr<grpc::Channel> channel) {
    std::shared_ptr stub = fermoposta::v1::Replication::NewStub(channel);
    return [stub](auto* context, auto* reactor) { stub->async()->Control(context, reactor); };
  }
};

struct DataTraits {
  using Frame = fermoposta::v1::DataFrame;
  using Message = cluster::DataMessage;
  static constexpr cluster::Channel kChannel = cluster::Channel::kData;
  static constexpr size_t kMaxQueuedBytes = 64 << 20;
  static size_t Size(const Message& message) { return rpc::WireSize(message); }
  static typename rpc::ClientStream<Frame, Frame>::Opener Opener(
      std::shared_ptr<grpc::Channel> channel) {
    std::shared_ptr stub = fermoposta::v1::Replication::NewStub(channel);
    return [stub](auto* context, auto* reactor) { stub->async()->Data(context, reactor); };
  }
};

// Messages that wait to be sent on one half of a stream; they leave in frames
// as large as what has gathered, up to kFrameBytes.
template <class Traits>
class OutQueue {
 public:
  using Message = typename Traits::Message;
  using Frame = typename Traits::Frame;

  // An empty queue takes whatever a frame can hold.
  static_assert(Traits::kMaxQueuedBytes >= kMaxMessageBytes);

  // False, and not taken: no frame holds it, or the receiver is too far behind.
  bool Push(Message message) {
    const size_t size = Traits::Size(message);
    if (size > kMaxMessageBytes || bytes_ + size > Traits::kMaxQueuedBytes) return false;
    bytes_ += size;
    waiting_.push_back({std::move(message), size});
    return true;
  }
  bool empty() const { return waiting_.empty(); }
  size_t bytes() const { return bytes_; }
  void Clear() {
    waiting_.clear();
    bytes_ = 0;
  }
  Frame Pull() {
    Frame frame;
    size_t bytes = 0;
    while (!waiting_.empty() && frame.messages_size() < kFrameMessages) {
      const size_t size = waiting_.front().size;
      if (bytes > 0 && bytes + size > kFrameBytes) break;
      rpc::ToProto(waiting_.front().message, frame.add_messages());
      waiting_.pop_front();
      bytes += size;
      bytes_ -= size;
    }
    return frame;
  }

 private:
  struct Waiting {
    Message message;
    size_t size;
  };
  std::deque<Waiting> waiting_;
  size_t bytes_ = 0;
};

}  // namespace fermo::node
