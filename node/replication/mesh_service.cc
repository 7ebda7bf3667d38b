#include "node/replication/mesh_service.h"

#include <algorithm>
#include <map>
#include <utility>

#include <boost/asio/post.hpp>

#include "fmt/format.h"
#include "lib/rpc/channel.h"
#include "lib/rpc/eviction.h"
#include "node/replication/answer_stream_service.h"
#include "node/replication/peer_stream_client.h"

namespace fermo::node {
namespace {

namespace v1 = ::fermoposta::v1;

template <class Traits>
struct Incoming {
  // By the order in which they came; a peer has at most one greeted stream.
  std::map<uint64_t, std::unique_ptr<AnswerStream<Traits>>> streams;
  std::map<NodeId, uint64_t> current;  // key of the peer's newest stream
  uint64_t next = 1;
};

}  // namespace

class MeshService::Impl {
 public:
  Impl(net::Executor executor, MeshOptions options, Logger log, OnEvent on_event)
      : executor_(std::move(executor)),
        options_(std::move(options)),
        log_(std::move(log)),
        on_event_(std::move(on_event)),
        service_(*this) {}

  // On gRPC's threads.
  class Service : public v1::Replication::CallbackService {
   public:
    explicit Service(Impl& mesh) : mesh_(mesh) {}
    grpc::ServerBidiReactor<v1::ControlFrame, v1::ControlFrame>* Control(
        grpc::CallbackServerContext* context) override {
      Impl* mesh = &mesh_;
      return rpc::ServerStream<v1::ControlFrame, v1::ControlFrame>::Accept(
          context, mesh->executor_,
          [mesh](auto stream) { mesh->Take<ControlTraits>(mesh->control_in_, std::move(stream)); });
    }
    grpc::ServerBidiReactor<v1::DataFrame, v1::DataFrame>* Data(
        grpc::CallbackServerContext* context) override {
      Impl* mesh = &mesh_;
      return rpc::ServerStream<v1::DataFrame, v1::DataFrame>::Accept(
          context, mesh->executor_,
          [mesh](auto stream) { mesh->Take<DataTraits>(mesh->data_in_, std::move(stream)); });
    }

   private:
    Impl& mesh_;
  };

  struct Peer {
    std::string address;
    std::unique_ptr<PeerStream<ControlTraits>> control;
    std::unique_ptr<PeerStream<DataTraits>> data;
    std::string last_problem;
  };

  void ApplySnapshot(const cluster::Snapshot& snapshot) {
    snapshot_ = snapshot;
    if (closed_) return;
    CloseEvicted(control_in_);
    CloseEvicted(data_in_);
    // Who is evicted talks to nobody any more, and listens to nobody.
    const bool outcast = IsEvicted(options_.self);
    if (outcast) {
      const absl::Status why = absl::UnavailableError("this node is evicted");
      for (auto& [key, stream] : control_in_.streams) stream->Close(why);
      for (auto& [key, stream] : data_in_.streams) stream->Close(why);
    }
    for (auto it = peers_.begin(); it != peers_.end();) {
      const cluster::Member* member = outcast ? nullptr : snapshot.FindMember(it->first);
      const bool keep = member != nullptr && member->address == it->second.address;
      if (keep) {
        ++it;
        continue;
      }
      const NodeId gone = it->first;
      it = peers_.erase(it);
      on_event_(cluster::PeerDown{gone, cluster::Channel::kControl});
      on_event_(cluster::PeerDown{gone, cluster::Channel::kData});
    }
    for (const cluster::Member& member : snapshot.members) {
      const bool other = member.node != options_.self && !outcast;
      if (other && !peers_.contains(member.node)) Connect(member);
    }
  }

  // It came while it was a member; its next stream is refused.
  template <class Traits>
  void CloseEvicted(Incoming<Traits>& in) {
    for (const NodeId node : snapshot_.evicted) {
      const auto current = in.current.find(node);
      if (current == in.current.end()) continue;
      const auto stream = in.streams.find(current->second);
      if (stream == in.streams.end()) continue;
      stream->second->Close(rpc::EvictedError(node));
    }
  }

  void Close() {
    closed_ = true;
    peers_.clear();
    control_in_.streams.clear();
    data_in_.streams.clear();
  }

  template <class Traits>
  void SendRequest(NodeId to, typename Traits::Message message) {
    auto it = peers_.find(to);
    if (it == peers_.end()) return;
    if constexpr (std::is_same_v<Traits, ControlTraits>) {
      it->second.control->Send(std::move(message));
    } else {
      it->second.data->Send(std::move(message));
    }
  }
  template <class Traits>
  void SendAnswer(Incoming<Traits>& in, NodeId to, typename Traits::Message message) {
    auto current = in.current.find(to);
    if (current == in.current.end()) return;
    auto stream = in.streams.find(current->second);
    if (stream != in.streams.end()) stream->second->Send(std::move(message));
  }

  void Connect(const cluster::Member& member) {
    rpc::ChannelOptions channel_options;
    channel_options.insecure = options_.insecure;
    channel_options.own_connection = true;
    channel_options.max_receive_bytes = kMeshReceiveBytes;
    auto control = rpc::Dial(member.address, channel_options);
    auto data = rpc::Dial(member.address, channel_options);
    Peer& peer = peers_[member.node];
    peer.address = member.address;
    if (!control.ok() || !data.ok()) {
      log_.Error("peer_address_unusable",
                 {{log::kPeer, member.name}, {log::kError, control.status()}});
      peers_.erase(member.node);
      return;
    }
    peer.control = std::make_unique<PeerStream<ControlTraits>>(
        executor_, *control, member.node, MakeCallbacks<ControlTraits>(member), StreamTiming());
    peer.data = std::make_unique<PeerStream<DataTraits>>(
        executor_, *data, member.node, MakeCallbacks<DataTraits>(member), StreamTiming());
  }

  template <class Traits>
  typename PeerStream<Traits>::Callbacks MakeCallbacks(const cluster::Member& member) {
    const NodeId node = member.node;
    const std::string name = member.name;
    typename PeerStream<Traits>::Callbacks callbacks;
    callbacks.make_hello = [this, node] { return MakeHello(node); };
    callbacks.on_up = [this, node, name](uint32_t boot) {
      peers_[node].last_problem.clear();
      if (Traits::kChannel == cluster::Channel::kData) log_.Info("peer_up", {{log::kPeer, name}});
      on_event_(cluster::PeerUp{node, Traits::kChannel, boot});
    };
    callbacks.on_down = [this, node, name](const absl::Status& status) {
      log_.Warning("peer_down", {{log::kPeer, name}, {log::kError, status}});
      on_event_(cluster::PeerDown{node, Traits::kChannel});
      if (rpc::SaysEvicted(status, options_.self)) HearOfEvictions({options_.self});
    };
    callbacks.on_hello = [this](const v1::Hello& theirs) { TakeEvictions(theirs); };
    callbacks.on_failed = [this, node, name](const absl::Status& status) {
      if (rpc::SaysEvicted(status, options_.self)) HearOfEvictions({options_.self});
      std::string problem(status.message());
      if (std::exchange(peers_[node].last_problem, problem) == problem) return;
      log_.Warning("peer_unreachable", {{log::kPeer, name}, {log::kError, status}});
    };
    callbacks.on_message = [this, node](uint32_t boot, typename Traits::Message message) {
      Deliver<Traits>(node, boot, std::move(message));
    };
    return callbacks;
  }

  bool IsEvicted(NodeId node) const {
    const auto& evicted = snapshot_.evicted;
    return std::find(evicted.begin(), evicted.end(), node) != evicted.end();
  }

  // Who was away when a node was evicted, itself perhaps, may find no coordinator that
  // says so; a peer's word is enough, since nobody is taken back.
  void HearOfEvictions(std::vector<NodeId> nodes) {
    std::erase_if(nodes, [this](NodeId node) { return IsEvicted(node); });
    if (nodes.empty()) return;
    for (NodeId node : nodes) log_.Warning("evicted", {{log::kNode, node}});
    snapshot_.evicted.insert(snapshot_.evicted.end(), nodes.begin(), nodes.end());
    net::asio::post(executor_, [tell = options_.on_evicted, nodes, alive = std::weak_ptr(alive_)] {
      if (!alive.expired() && tell) tell(nodes);
    });
  }

  void TakeEvictions(const v1::Hello& theirs) {
    std::vector<NodeId> nodes;
    for (const uint64_t node : theirs.evicted()) nodes.push_back(NodeId(node));
    HearOfEvictions(std::move(nodes));
  }

  template <class Traits>
  void Deliver(NodeId from, uint32_t boot, typename Traits::Message message) {
    if constexpr (std::is_same_v<Traits, ControlTraits>) {
      on_event_(cluster::ControlReceived{from, boot, std::move(message)});
    } else {
      on_event_(cluster::DataReceived{from, std::move(message)});
    }
  }

  v1::Hello MakeHello(NodeId to) {
    v1::Hello hello;
    hello.set_cluster_uuid(snapshot_.cluster_uuid);
    hello.set_node(options_.self.value());
    hello.set_boot(options_.boot);
    hello.set_stream(next_stream_++);
    hello.set_generation(snapshot_.generation);
    hello.set_to(to.value());
    for (NodeId node : snapshot_.evicted) hello.add_evicted(node.value());
    return hello;
  }

  template <class Traits>
  void Take(Incoming<Traits>& in, std::unique_ptr<typename AnswerStream<Traits>::Stream> stream) {
    if (closed_) return;  // dropping it refuses the call
    const uint64_t key = in.next++;
    auto& answer = in.streams[key];
    answer = std::make_unique<AnswerStream<Traits>>(std::move(stream));
    typename AnswerStream<Traits>::Callbacks callbacks;
    callbacks.judge = [this, &in, key](const v1::Hello& theirs, v1::Hello* own) {
      return Judge<Traits>(in, key, theirs, own);
    };
    callbacks.on_message = [this, &in, key](NodeId from, uint32_t boot,
                                            typename Traits::Message message) {
      auto current = in.current.find(from);
      if (current == in.current.end() || current->second != key) return;  // an older stream
      Deliver<Traits>(from, boot, std::move(message));
    };
    callbacks.on_closed = [this, &in, key] { Ended<Traits>(in, key); };
    answer->Start(std::move(callbacks));
  }

  // Whether a stream may speak for the node that its hello names.
  template <class Traits>
  absl::Status Judge(Incoming<Traits>& in, uint64_t key, const v1::Hello& theirs, v1::Hello* own) {
    const NodeId from(theirs.node());
    if (theirs.cluster_uuid() != snapshot_.cluster_uuid) {
      return Refuse(from, fmt::format("this node belongs to cluster {}", snapshot_.cluster_uuid));
    }
    if (NodeId(theirs.to()) != options_.self) {
      return Refuse(from, fmt::format("this is node {}, not {}", ToString(options_.self),
                                      ToString(NodeId(theirs.to()))));
    }
    if (IsEvicted(options_.self)) return Refuse(from, "this node is evicted");
    TakeEvictions(theirs);
    if (IsEvicted(from)) {
      Refuse(from, "the node is evicted");
      return rpc::EvictedError(from);
    }
    if (snapshot_.FindMember(from) == nullptr) {
      return Refuse(from, "the node is not a member that this node knows");
    }
    auto current = in.current.find(from);
    if (current != in.current.end()) {
      auto older = in.streams.find(current->second);
      if (older != in.streams.end()) {
        const AnswerStream<Traits>& o = *older->second;
        if (std::pair(o.boot(), o.number()) > std::pair(theirs.boot(), theirs.stream())) {
          return absl::FailedPreconditionError("a newer stream is open");
        }
        older->second->Close(absl::AbortedError("replaced by a newer stream"));
      }
      if (Traits::kChannel == cluster::Channel::kData) on_event_(cluster::IncomingEnded{from});
    }
    in.current[from] = key;
    *own = MakeHello(from);
    return absl::OkStatus();
  }

  absl::Status Refuse(NodeId from, std::string reason) {
    log_.Warning("peer_refused", {{log::kNode, from}, {log::kReason, reason}});
    return absl::FailedPreconditionError(reason);
  }

  template <class Traits>
  void Ended(Incoming<Traits>& in, uint64_t key) {
    auto it = in.streams.find(key);
    if (it == in.streams.end()) return;
    const NodeId from = it->second->from();
    // Not destroyed here: this runs within a callback of the stream's own.
    net::asio::post(executor_, [stream = std::move(it->second)] {});
    in.streams.erase(it);
    auto current = in.current.find(from);
    if (current == in.current.end() || current->second != key) return;
    in.current.erase(current);
    if (Traits::kChannel == cluster::Channel::kData) on_event_(cluster::IncomingEnded{from});
  }

  net::Executor executor_;
  const MeshOptions options_;
  Logger log_;
  OnEvent on_event_;
  cluster::Snapshot snapshot_;
  std::map<NodeId, Peer> peers_;
  Incoming<ControlTraits> control_in_;
  Incoming<DataTraits> data_in_;
  uint64_t next_stream_ = 1;
  bool closed_ = false;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Service service_;
};

MeshService::MeshService(net::Executor executor, MeshOptions options, Logger log, OnEvent on_event)
    : impl_(std::make_unique<Impl>(std::move(executor), std::move(options), std::move(log),
                                   std::move(on_event))) {}
MeshService::~MeshService() = default;
grpc::Service* MeshService::service() { return &impl_->service_; }
std::string MeshService::Name() { return v1::Replication::service_full_name(); }
void MeshService::ApplySnapshot(const cluster::Snapshot& snapshot) {
  impl_->ApplySnapshot(snapshot);
}
void MeshService::ResetIncoming() {
  for (auto& [key, stream] : impl_->data_in_.streams) {
    stream->Close(absl::UnavailableError("starting anew"));
  }
}
void MeshService::Close() { impl_->Close(); }

void MeshService::Send(cluster::SendControl action) {
  if (action.answer) {
    impl_->SendAnswer(impl_->control_in_, action.to, std::move(action.message));
  } else {
    impl_->SendRequest<ControlTraits>(action.to, std::move(action.message));
  }
}
void MeshService::Send(cluster::SendData action) {
  if (action.answer) {
    impl_->SendAnswer(impl_->data_in_, action.to, std::move(action.message));
  } else {
    impl_->SendRequest<DataTraits>(action.to, std::move(action.message));
  }
}
size_t MeshService::QueuedBytes(NodeId peer) const {
  auto it = impl_->peers_.find(peer);
  return it == impl_->peers_.end() ? 0 : it->second.data->queued_bytes();
}
size_t MeshService::MaxQueuedBytes() const {
  size_t most = 0;
  for (const auto& [node, peer] : impl_->peers_) most = std::max(most, peer.data->queued_bytes());
  return most;
}

}  // namespace fermo::node
