#include "coordinator/membership/control_service.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/membership/join.h"
#include "coordinator/membership/may_write.h"
#include "coordinator/membership/snapshot_service.h"
#include "fermoposta/v1/control.grpc.pb.h"
#include "fmt/format.h"
#include "lib/cluster/survivor_grants.h"
#include "lib/net/deadline.h"
#include "lib/rpc/bidi_stream.h"
#include "lib/rpc/unary_service.h"

namespace fermo::coordinator {

namespace v1 = ::fermoposta::v1;
using Stream = rpc::ServerStream<v1::Snapshot, v1::WatchRequest>;

namespace {

// Grants remembered so as to log each once; beyond it all are forgotten, and
// those that still run are logged a second time.
constexpr size_t kMaxLoggedGrants = 65536;

// One process's stream, from its acceptance to its end.
struct Session {
  explicit Session(std::unique_ptr<Stream> s) : stream(std::move(s)) {}

  std::unique_ptr<Stream> stream;
  std::optional<net::Deadline> join_deadline;
  std::optional<rpc::JoinInfo> join;
  bool admitted = false;
  uint64_t applied_generation = 0;
  uint64_t sent_generation = 0;
};

}  // namespace

class ControlService::Impl : public v1::Control::CallbackService,
                             public std::enable_shared_from_this<Impl> {
 public:
  explicit Impl(ControlServiceOptions options)
      : options_(std::move(options)), survivors_(options_.survivor_lease, BootClock::now()) {}

  grpc::ServerBidiReactor<v1::WatchRequest, v1::Snapshot>* Watch(
      grpc::CallbackServerContext* context) override {
    // The service outlives the server, and so every accepted stream.
    return Stream::Accept(context, options_.executor, [this](std::unique_ptr<Stream> stream) {
      OnAccepted(std::move(stream));
    });
  }
  grpc::ServerUnaryReactor* AskToSurvive(grpc::CallbackServerContext* context,
                                         const v1::AskToSurviveRequest* request,
                                         v1::AskToSurviveResponse* response) override {
    return rpc::Serve(context, options_.executor,
                      [=, this] { return OnAskToSurvive(*request, response); });
  }

  void OnViewChanged();
  void Close();

 private:
  void OnAccepted(std::unique_ptr<Stream> stream);
  std::optional<v1::Snapshot> NextFrame(uint64_t number);
  void OnFrame(uint64_t number, const v1::WatchRequest& request);
  void OnClosed(uint64_t number, const absl::Status& status);
  void OnJoin(uint64_t number, const v1::Join& request);
  static net::Awaitable<void> StoreThenAdmit(std::shared_ptr<Impl> self, uint64_t number,
                                             MemberRecord member);
  void Admit(uint64_t number);
  void Refuse(uint64_t number, const absl::Status& status);
  Session* Find(uint64_t number);
  void EndStream(uint64_t number, absl::Status status);
  absl::Status OnAskToSurvive(const v1::AskToSurviveRequest& request,
                              v1::AskToSurviveResponse* response);

  const ControlServiceOptions options_;
  std::map<uint64_t, std::unique_ptr<Session>> sessions_;
  uint64_t next_number_ = 1;
  bool closed_ = false;
  // The newest snapshot as a message, made once for all watchers.
  std::optional<v1::Snapshot> snapshot_;
  cluster::SurvivorGrants survivors_;
  std::set<std::pair<SegmentId, NodeId>> logged_grants_;
};

Session* ControlService::Impl::Find(uint64_t number) {
  const auto it = sessions_.find(number);
  return it == sessions_.end() ? nullptr : it->second.get();
}

void ControlService::Impl::OnAccepted(std::unique_ptr<Stream> stream) {
  const uint64_t number = next_number_++;
  auto session = std::make_unique<Session>(std::move(stream));
  Session* added = session.get();
  sessions_.emplace(number, std::move(session));
  std::weak_ptr<Impl> weak = weak_from_this();
  rpc::StreamCallbacks<v1::Snapshot, v1::WatchRequest> callbacks;
  callbacks.next_frame = [this, number] { return NextFrame(number); };
  callbacks.on_frame = [this, number](const v1::WatchRequest& request) {
    OnFrame(number, request);
  };
  callbacks.on_closed = [this, number](const absl::Status& status) { OnClosed(number, status); };
  added->join_deadline.emplace(options_.executor, [weak, number] {
    const auto self = weak.lock();
    if (!self) return;
    self->Refuse(number, absl::DeadlineExceededError("no join request has come in time"));
  });
  added->join_deadline->Arm(options_.join_timeout);
  added->stream->Start(std::move(callbacks));
  if (closed_) {
    EndStream(number, absl::UnavailableError("the coordinator is shutting down"));
  } else if (sessions_.size() > options_.max_streams) {
    EndStream(number, absl::ResourceExhaustedError("the coordinator has too many watchers"));
  }
}

std::optional<v1::Snapshot> ControlService::Impl::NextFrame(uint64_t number) {
  Session* session = Find(number);
  if (!session || !session->admitted) return std::nullopt;
  const ClusterViewPtr view = options_.config->view();
  if (session->sent_generation >= view->generation) return std::nullopt;
  if (!snapshot_ || snapshot_->generation() != view->generation) {
    snapshot_.emplace();
    ToProto(*view, &*snapshot_);
  }
  session->sent_generation = view->generation;
  return *snapshot_;
}

void ControlService::Impl::OnFrame(uint64_t number, const v1::WatchRequest& request) {
  Session* session = Find(number);
  if (!session) return;
  session->applied_generation = std::max(session->applied_generation, request.applied_generation());
  if (session->admitted) {
    if (request.has_join()) {
      return Refuse(number, absl::InvalidArgumentError("join: was sent a second time"));
    }
    options_.connected->Acknowledge(number, session->applied_generation);
    return;
  }
  if (session->join) return;  // acknowledged while it is still being let in
  if (!request.has_join()) {
    return Refuse(number, absl::InvalidArgumentError("join: must come with the first request"));
  }
  OnJoin(number, request.join());
}

void ControlService::Impl::OnJoin(uint64_t number, const v1::Join& request) {
  Session* session = Find(number);
  auto join = rpc::FromProto(request);
  if (!join.ok()) return Refuse(number, join.status());
  session->join = *std::move(join);
  session->join_deadline->Cancel();
  const ClusterViewPtr view = options_.config->view();
  const absl::Status allowed = CheckJoin(*session->join, *view, options_.connected->table());
  if (!allowed.ok()) return Refuse(number, allowed);
  if (session->join->role != rpc::Role::kNode) return Admit(number);
  MemberRecord member = ToMember(*session->join);
  const MemberRecord* known = view->FindMember(member.node);
  if (known && known->SameAs(member)) return Admit(number);
  net::Spawn(options_.executor, StoreThenAdmit(shared_from_this(), number, std::move(member)));
}

net::Awaitable<void> ControlService::Impl::StoreThenAdmit(std::shared_ptr<Impl> self,
                                                          uint64_t number, MemberRecord member) {
  const Session* joining = self->Find(number);
  const bool ahead =
      joining && joining->applied_generation > self->options_.config->view()->generation;
  const absl::Status may_write =
      MayWrite(*self->options_.config->view(), self->options_.connected->table());
  if (!ahead && may_write.ok()) {
    ConfigStore* config = self->options_.config;
    std::function<absl::StatusOr<ClusterViewPtr>()> work = [config, member] {
      return config->PutMember(member);
    };
    auto stored = co_await self->options_.blocking->Run(std::move(work));
    if (!stored.ok()) {
      self->Refuse(number, stored.status());
      co_return;
    }
  }
  const Session* session = self->Find(number);
  if (!session) co_return;  // it left meanwhile
  // Another node of this name may have been let in meanwhile.
  const absl::Status allowed =
      CheckJoin(*session->join, *self->options_.config->view(), self->options_.connected->table());
  if (allowed.ok()) {
    self->Admit(number);
  } else {
    self->Refuse(number, allowed);
  }
}

void ControlService::Impl::Admit(uint64_t number) {
  Session* session = Find(number);
  session->admitted = true;
  const rpc::JoinInfo& join = *session->join;
  options_.log.Info("process_joined", {{log::kPeer, join.name},
                                       {log::kRegion, join.region},
                                       {log::kNode, join.node},
                                       {log::kVersion, join.version},
                                       {log::kGeneration, session->applied_generation}});
  Process process;
  process.stream = number;
  process.join = join;
  process.applied_generation = session->applied_generation;
  for (const uint64_t replaced : options_.connected->Add(std::move(process))) {
    EndStream(replaced, absl::AbortedError("the same process has connected again"));
  }
  session->stream->Notify();
}

void ControlService::Impl::Refuse(uint64_t number, const absl::Status& status) {
  Session* session = Find(number);
  if (!session) return;
  const std::string name = session->join ? session->join->name : session->stream->peer();
  options_.log.Warning("process_refused", {{log::kPeer, name}, {log::kError, status}});
  EndStream(number, status);
}

void ControlService::Impl::EndStream(uint64_t number, absl::Status status) {
  if (Session* session = Find(number)) session->stream->Close(std::move(status));
}

void ControlService::Impl::OnClosed(uint64_t number, const absl::Status& status) {
  Session* session = Find(number);
  if (!session) return;
  if (session->admitted) {
    options_.connected->Remove(number, WallNow());
    options_.log.Info("process_left", {{log::kPeer, session->join->name},
                                       {log::kRegion, session->join->region},
                                       {log::kError, status}});
  }
  sessions_.erase(number);
}

void ControlService::Impl::OnViewChanged() {
  const ClusterViewPtr view = options_.config->view();
  std::vector<uint64_t> admitted;  // first a list: refusing changes the sessions
  for (const auto& [number, session] : sessions_) {
    if (session->admitted) admitted.push_back(number);
  }
  for (const uint64_t number : admitted) {
    Session* session = Find(number);
    if (!session) continue;
    const absl::Status stays = CheckNotEvicted(*session->join, *view);
    if (stays.ok()) {
      session->stream->Notify();
    } else {
      Refuse(number, stays);
    }
  }
}

// Not stored: a coordinator that has just started grants nothing while a grant
// of the one before may still run.
absl::Status ControlService::Impl::OnAskToSurvive(const v1::AskToSurviveRequest& request,
                                                  v1::AskToSurviveResponse* response) {
  if (closed_) return absl::UnavailableError("the coordinator is shutting down");
  const ClusterViewPtr view = options_.config->view();
  if (request.cluster_uuid() != view->cluster_uuid) {
    return absl::FailedPreconditionError(fmt::format("cluster_uuid: this is cluster {}, not {}",
                                                     view->cluster_uuid, request.cluster_uuid()));
  }
  const NodeId node(request.node());
  const MemberRecord* member = view->FindMember(node);
  if (!member || view->evicted.contains(node)) {
    return absl::FailedPreconditionError(
        fmt::format("node: {} is no member of this cluster", ToString(node)));
  }
  auto segment = rpc::FromProto(request.segment());
  if (!segment.ok()) return segment.status();
  const bool granted = survivors_.Ask(*segment, node, BootClock::now());
  response->set_granted(granted);
  if (!granted) return absl::OkStatus();
  if (logged_grants_.size() >= kMaxLoggedGrants) logged_grants_.clear();
  if (logged_grants_.emplace(*segment, node).second) {
    options_.log.Warning("survivor_granted", {{log::kSegment, *segment},
                                              {log::kNode, node},
                                              {log::kPeer, member->name},
                                              {log::kRegion, member->region}});
  }
  return absl::OkStatus();
}

void ControlService::Impl::Close() {
  closed_ = true;
  for (const auto& [number, session] : sessions_) {
    session->stream->Close(absl::UnavailableError("the coordinator is shutting down"));
  }
}

ControlService::ControlService(ControlServiceOptions options)
    : impl_(std::make_shared<Impl>(std::move(options))) {}
ControlService::~ControlService() = default;
const char* ControlService::Name() { return v1::Control::service_full_name(); }
grpc::Service* ControlService::service() { return impl_.get(); }
void ControlService::OnViewChanged() { impl_->OnViewChanged(); }
void ControlService::Close() { impl_->Close(); }

}  // namespace fermo::coordinator
