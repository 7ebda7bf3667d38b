#include "lib/rpc/control_client.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fermoposta/v1/control.grpc.pb.h"
#include "lib/base/random.h"
#include "lib/rpc/bidi_stream.h"
#include "lib/rpc/channel.h"
#include "lib/rpc/eviction.h"
#include "lib/rpc/snapshot_cache.h"
#include "lib/rpc/unary.h"

namespace fermo::rpc {
namespace {

// A coordinator that has taken the stream answers with its snapshot at once.
constexpr Duration kFirstSnapshotDeadline = std::chrono::seconds(5);
// To the next coordinator of the same round.
constexpr Duration kNextCoordinator = std::chrono::milliseconds(20);
constexpr Duration kAskDeadline = std::chrono::seconds(2);
constexpr double kJitter = 0.2;
constexpr int kMaxDoublings = 16;

bool IsRefusal(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) || absl::IsAlreadyExists(status) ||
         absl::IsInvalidArgument(status) || absl::IsPermissionDenied(status);
}

}  // namespace

class ControlClient::Impl : public std::enable_shared_from_this<ControlClient::Impl> {
 public:
  using Stream = ClientStream<v1::WatchRequest, v1::Snapshot>;

  Impl(boost::asio::any_io_executor executor, ControlClientOptions options,
       ControlClientCallbacks callbacks)
      : executor_(executor),
        options_(std::move(options)),
        callbacks_(std::move(callbacks)),
        timer_(executor_),
        rng_(RandomSeed()),
        disk_(1) {}

  absl::Status DialAll() {
    if (options_.coordinators.empty()) return absl::InvalidArgumentError("no coordinators");
    ChannelOptions channel_options;
    channel_options.insecure = options_.insecure;
    channel_options.own_connection = true;
    channel_options.max_receive_bytes = kMaxSnapshotBytes;
    for (const std::string& address : options_.coordinators) {
      auto channel = Dial(address, channel_options);
      if (!channel.ok()) return channel.status();
      stubs_.push_back(v1::Control::NewStub(*channel));
    }
    return absl::OkStatus();
  }

  void Start() {
    const auto self = shared_from_this();
    absl::StatusOr<cluster::Snapshot> cached = ReadSnapshotCache(options_.cache_file);
    if (!cached.ok()) {
      if (!absl::IsNotFound(cached.status())) Problem(cached.status());
    } else if (JudgeSnapshot(nullptr, options_.join.cluster_uuid, *cached) !=
               SnapshotVerdict::kApply) {
      Problem(absl::FailedPreconditionError(
          absl::StrCat(options_.cache_file, " is of another cluster and is not used")));
    } else {
      current_ = *std::move(cached);
      callbacks_.on_snapshot(*current_);
    }
    if (!stopping_) Connect();
  }

  void Stop(std::function<void()> done) {
    stopping_ = true;
    stopped_ = std::move(done);
    timer_.cancel();
    if (stream_) stream_->Cancel();
    boost::asio::post(executor_, [self = shared_from_this()] { self->FinishStop(); });
  }

  void Abandon() {
    stopping_ = true;
    stopped_ = nullptr;
    timer_.cancel();
    stream_.reset();
  }

  static boost::asio::awaitable<void> AskToSurvive(std::shared_ptr<Impl> self, SegmentId segment,
                                                   std::function<void(absl::StatusOr<bool>)> done) {
    using Async = v1::Control::StubInterface::async_interface;
    absl::StatusOr<bool> verdict = absl::UnavailableError("no coordinator is connected");
    if (self->connected_) {
      v1::AskToSurviveRequest request;
      request.set_cluster_uuid(self->current_->cluster_uuid);
      request.set_node(self->options_.join.node.value());
      ToProto(segment, request.mutable_segment());
      auto stub = self->stubs_[self->turn_ % self->stubs_.size()];
      absl::StatusOr<v1::AskToSurviveResponse> answer =
          co_await Call(stub->async(), &Async::AskToSurvive, std::move(request), kAskDeadline);
      if (answer.ok()) {
        verdict = answer->granted();
      } else if (IsRefusal(answer.status())) {
        verdict = false;
      } else {
        verdict = absl::UnavailableError(answer.status().message());
      }
    }
    if (!self->stopping_) done(std::move(verdict));
  }

  void MergeEvicted(const std::vector<NodeId>& nodes) {
    if (stopping_ || !current_ || !AddEvicted(nodes)) return;
    callbacks_.on_snapshot(*current_);
    if (stopping_) return;
    unwritten_ = Octets(*current_);
    WriteCache();
  }

  const boost::asio::any_io_executor& executor() const { return executor_; }
  bool connected() const { return connected_; }
  const std::optional<cluster::Snapshot>& current() const { return current_; }

 private:
  // --- The stream.
  void Connect() {
    join_wanted_ = true;
    ack_wanted_.reset();
    connected_ = older_reported_ = false;
    auto stub = stubs_[turn_ % stubs_.size()];
    StreamCallbacks<v1::WatchRequest, v1::Snapshot> callbacks;
    callbacks.next_frame = [this] { return NextFrame(); };
    callbacks.on_frame = [this](v1::Snapshot snapshot) { OnFrame(std::move(snapshot)); };
    callbacks.on_closed = [this](absl::Status status) { OnClosed(std::move(status)); };
    stream_ = std::make_unique<Stream>(
        executor_, [stub](auto* context, auto* reactor) { stub->async()->Watch(context, reactor); },
        std::move(callbacks));
    After(kFirstSnapshotDeadline, [](Impl& self) {
      if (self.stream_ && !self.connected_) self.stream_->Cancel();
    });
  }

  std::optional<v1::WatchRequest> NextFrame() {
    if (!join_wanted_ && !ack_wanted_) return std::nullopt;
    v1::WatchRequest request;
    if (std::exchange(join_wanted_, false)) {
      JoinInfo join = options_.join;
      if (join.cluster_uuid.empty() && current_) join.cluster_uuid = current_->cluster_uuid;
      ToProto(join, request.mutable_join());
    }
    if (ack_wanted_) request.set_applied_generation(*std::exchange(ack_wanted_, std::nullopt));
    return request;
  }

  void OnFrame(v1::Snapshot proto) {
    const auto self = shared_from_this();
    if (stopping_) return;
    absl::StatusOr<cluster::Snapshot> offered = FromProto(proto);
    if (!offered.ok()) {
      Problem(absl::Status(offered.status().code(),
                           absl::StrCat(Coordinator(), " sent a snapshot that is refused: ",
                                        offered.status().message())));
      return Leave();
    }
    const cluster::Snapshot* current = current_ ? &*current_ : nullptr;
    switch (JudgeSnapshot(current, options_.join.cluster_uuid, *offered)) {
      case SnapshotVerdict::kApply:
        Welcome();
        return Apply(*std::move(offered), proto.SerializeAsString());
      case SnapshotVerdict::kSame:
        Welcome();
        return Acknowledge();
      case SnapshotVerdict::kOlder:
        Welcome();
        if (!std::exchange(older_reported_, true)) {
          Problem(absl::FailedPreconditionError(
              absl::StrCat(Coordinator(), " has generation ", offered->generation, ", older than ",
                           current_->generation, " in use here: ignored")));
        }
        return Acknowledge();
      case SnapshotVerdict::kForeign:
        Problem(absl::FailedPreconditionError(absl::StrCat(
            Coordinator(), " belongs to another cluster (", offered->cluster_uuid, "): ignored")));
        return Leave();
    }
  }

  void Welcome() {
    connected_ = true;
    failures_ = 0;
    outage_reported_ = false;
    if (callbacks_.on_joined) callbacks_.on_joined();
  }

  void Apply(cluster::Snapshot snapshot, std::string octets) {
    std::vector<NodeId> evicted;
    if (current_) evicted = current_->evicted;
    current_ = std::move(snapshot);
    if (AddEvicted(evicted)) octets = Octets(*current_);
    callbacks_.on_snapshot(*current_);
    if (stopping_) return;
    unwritten_ = std::move(octets);
    WriteCache();
  }

  static std::string Octets(const cluster::Snapshot& snapshot) {
    v1::Snapshot proto;
    ToProto(snapshot, &proto);
    return proto.SerializeAsString();
  }

  // Whether one of them was not known to be.
  bool AddEvicted(const std::vector<NodeId>& nodes) {
    const size_t known = current_->evicted.size();
    for (const NodeId node : nodes) {
      if (std::ranges::find(current_->evicted, node) != current_->evicted.end()) continue;
      current_->evicted.push_back(node);
      std::erase_if(current_->members, [node](const auto& m) { return m.node == node; });
    }
    return current_->evicted.size() > known;
  }

  void Acknowledge() {
    ack_wanted_ = current_->generation;
    if (stream_) stream_->Notify();
  }

  // Drops a coordinator that is of no use.
  void Leave() {
    failures_ = std::max<size_t>(failures_, stubs_.size() * kMaxDoublings);
    stream_->Cancel();
  }

  void OnClosed(absl::Status status) {
    const auto self = shared_from_this();
    stream_.reset();
    connected_ = false;
    if (stopping_) return FinishStop();
    ++failures_;
    if (IsRefusal(status)) {
      failures_ = std::max<size_t>(failures_, stubs_.size() * kMaxDoublings);
      callbacks_.on_refused(status);
      if (SaysEvicted(status, options_.join.node)) MergeEvicted({options_.join.node});
      if (stopping_) return FinishStop();
    } else if (failures_ >= stubs_.size() && !std::exchange(outage_reported_, true)) {
      Problem(absl::UnavailableError(
          absl::StrCat("no coordinator answers; running on ",
                       current_ ? absl::StrCat("generation ", current_->generation) : "nothing",
                       "; last: ", Coordinator(), ": ", status.message())));
    }
    if (stopping_) return;
    ++turn_;
    After(NextDelay(), [](Impl& self_ref) {
      if (!self_ref.stream_) self_ref.Connect();
    });
  }

  Duration NextDelay() {
    const size_t rounds = failures_ / stubs_.size();
    if (failures_ % stubs_.size() != 0 && rounds < kMaxDoublings) return kNextCoordinator;
    const int doublings = static_cast<int>(std::min<size_t>(rounds, kMaxDoublings));
    const Duration delay = options_.first_backoff * (int64_t{1} << std::max(doublings - 1, 0));
    return rng_.Jitter(std::min(delay, options_.max_backoff), kJitter);
  }

  // One timer: the later use replaces the earlier one.
  void After(Duration delay, void (*then)(Impl&)) {
    timer_.expires_after(delay);
    timer_.async_wait([weak = weak_from_this(), then](boost::system::error_code error) {
      const auto self = weak.lock();
      if (!error && self && !self->stopping_) then(*self);
    });
  }

  // --- The cache file: one write at a time, the newest snapshot wins.
  void WriteCache() {
    if (writing_ || !unwritten_) return;
    writing_ = true;
    std::string octets = *std::exchange(unwritten_, std::nullopt);
    const uint64_t generation = current_->generation;
    boost::asio::post(disk_, [weak = weak_from_this(), executor = executor_, generation,
                              file = options_.cache_file, octets = std::move(octets)] {
      absl::Status status = WriteSnapshotCache(file, octets);
      boost::asio::post(executor, [weak, generation, status = std::move(status)] {
        if (const auto self = weak.lock()) self->CacheWritten(generation, status);
      });
    });
  }

  void CacheWritten(uint64_t generation, const absl::Status& status) {
    writing_ = false;
    if (!status.ok()) Problem(status);
    if (stopping_) return FinishStop();
    if (generation == current_->generation) Acknowledge();
    WriteCache();
  }

  void FinishStop() {
    if (stream_ || writing_) return;
    if (auto done = std::exchange(stopped_, nullptr)) done();
  }

  void Problem(const absl::Status& status) {
    if (!stopping_ && callbacks_.on_problem) callbacks_.on_problem(status);
  }
  std::string Coordinator() const {
    return absl::StrCat("coordinator ", options_.coordinators[turn_ % stubs_.size()]);
  }

  const boost::asio::any_io_executor executor_;
  ControlClientOptions options_;
  ControlClientCallbacks callbacks_;
  boost::asio::steady_timer timer_;
  Rng rng_;
  std::vector<std::shared_ptr<v1::Control::Stub>> stubs_;  // by coordinator

  std::optional<cluster::Snapshot> current_;
  std::unique_ptr<Stream> stream_;
  size_t turn_ = 0;      // whose turn it is, modulo the number of coordinators
  size_t failures_ = 0;  // since the last snapshot
  bool join_wanted_ = false;
  std::optional<uint64_t> ack_wanted_;
  bool connected_ = false;
  bool outage_reported_ = false;
  bool older_reported_ = false;

  std::optional<std::string> unwritten_;
  bool writing_ = false;

  bool stopping_ = false;
  std::function<void()> stopped_;
  boost::asio::thread_pool disk_;  // last: joined first
};

absl::StatusOr<std::unique_ptr<ControlClient>> ControlClient::Create(
    boost::asio::any_io_executor executor, ControlClientOptions options,
    ControlClientCallbacks callbacks) {
  auto impl = std::make_shared<Impl>(std::move(executor), std::move(options), std::move(callbacks));
  if (auto status = impl->DialAll(); !status.ok()) return status;
  return std::unique_ptr<ControlClient>(new ControlClient(std::move(impl)));
}

ControlClient::ControlClient(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
ControlClient::~ControlClient() { impl_->Abandon(); }
void ControlClient::Start() { impl_->Start(); }
void ControlClient::Stop(std::function<void()> done) { impl_->Stop(std::move(done)); }
void ControlClient::AskToSurvive(const SegmentId& segment,
                                 std::function<void(absl::StatusOr<bool>)> done) {
  boost::asio::co_spawn(impl_->executor(), Impl::AskToSurvive(impl_, segment, std::move(done)),
                        boost::asio::detached);
}
bool ControlClient::Connected() const { return impl_->connected(); }
void ControlClient::MergeEvicted(const std::vector<NodeId>& nodes) { impl_->MergeEvicted(nodes); }
const std::optional<cluster::Snapshot>& ControlClient::Current() const { return impl_->current(); }

}  // namespace fermo::rpc
