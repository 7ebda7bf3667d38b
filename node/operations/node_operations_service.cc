#include "node/operations/node_operations_service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "fermoposta/v1/node_operations.grpc.pb.h"
#include "lib/rpc/convert.h"
#include "lib/rpc/unary_service.h"
#include "node/operations/audit_service.h"
#include "node/store/disk_space.h"

namespace fermo::node {
namespace {

namespace v1 = ::fermoposta::v1;
constexpr uint32_t kMaxListed = 1000;

int64_t Millis(WallTime time) { return time.time_since_epoch().count(); }

// A point on the boot clock as wall time, for people.
int64_t WallMillis(Instant instant) {
  const auto ahead = std::chrono::round<std::chrono::milliseconds>(instant - BootClock::now());
  return Millis(WallNow() + ahead);
}

void Fill(const QueueCounts& counts, v1::QueueCounts* out) {
  out->set_waiting(counts.legs);
  out->set_messages(counts.messages);
  out->set_bytes(counts.bytes);
  out->set_oldest_millis(counts.oldest ? Millis(*counts.oldest) : 0);
}

void FillLeg(const WaitingLeg& leg, v1::QueuedLeg* out) {
  out->set_attempts(leg.attempts);
  out->set_last_reply(leg.last_reply);
  switch (leg.state) {
    case WaitingLeg::State::kDone:
      out->set_state("done");
      break;
    case WaitingLeg::State::kWaiting:
      out->set_state("waiting");
      break;
    case WaitingLeg::State::kInFlight:
      out->set_state("in_flight");
      break;
  }
  if (leg.next_attempt) out->set_next_attempt_millis(WallMillis(*leg.next_attempt));
}

}  // namespace

class NodeOperationsService::Service final : public v1::NodeOperations::CallbackService {
 public:
  explicit Service(Dependencies deps) : deps_(std::move(deps)) {}

  grpc::ServerUnaryReactor* GetNodeStatus(grpc::CallbackServerContext* context,
                                          const v1::GetNodeStatusRequest*,
                                          v1::GetNodeStatusResponse* response) override {
    return rpc::Serve(context, deps_.executor, [this, response] {
      FillStatus(response->mutable_status());
      return absl::OkStatus();
    });
  }
  grpc::ServerUnaryReactor* ListOwnedMessages(grpc::CallbackServerContext* context,
                                              const v1::ListOwnedMessagesRequest* request,
                                              v1::ListOwnedMessagesResponse* response) override {
    return rpc::Serve(context, deps_.executor,
                      [this, request, response] { return List(this, request, response); });
  }
  grpc::ServerUnaryReactor* GetStoredMessage(grpc::CallbackServerContext* context,
                                             const v1::GetStoredMessageRequest* request,
                                             v1::GetStoredMessageResponse* response) override {
    return rpc::Serve(context, deps_.executor,
                      [this, request, response] { return Get(this, request, response); });
  }
  grpc::ServerUnaryReactor* AuditOwnedSegments(grpc::CallbackServerContext* context,
                                               const v1::AuditOwnedSegmentsRequest* request,
                                               v1::AuditOwnedSegmentsResponse* response) override {
    return rpc::Serve(context, deps_.executor, [this, request, response] {
      return AuditOwned(deps_.auditor, request, response);
    });
  }

 private:
  void FillStatus(v1::NodeStatus* out) const {
    const cluster::Replica::View view = deps_.core->replica().GetView(BootClock::now());
    out->set_node(deps_.self.value());
    out->set_boot(deps_.boot);
    const absl::Status can = deps_.can_accept();
    out->set_ready(can.ok());
    out->set_not_ready_reason(std::string(can.message()));
    if (auto disk = ReadDiskSpace(deps_.data_dir); disk.ok()) {
      out->set_disk_free_bytes(disk->available_bytes);
      out->set_disk_size_bytes(disk->total_bytes);
    }
    out->set_segments(view.segments);
    out->set_segments_owned(view.owned);
    out->set_held_messages(view.held);
    out->set_generation(deps_.generation());
    out->set_version(deps_.version);
    out->set_copies(deps_.copies);
    out->set_write_copies(deps_.write_copies);
    out->set_min_regions(deps_.min_regions);
    for (const auto& held : view.held_segments) {
      v1::HeldSegment* h = out->add_held_segments();
      rpc::ToProto(held.id, h->mutable_id());
      h->set_owned(held.owned);
      h->set_messages(held.messages);
      const cluster::Segment* segment = deps_.core->replica().Find(held.id);
      for (const NodeId holder : segment->record.holders) h->add_holders(holder.value());
    }
    out->set_draining(view.draining);
    out->set_to_hand_over(view.to_hand_over);
    out->set_repairs(view.repairs);
    out->set_under_replicated(view.under_replicated);
    out->set_at_risk(view.at_risk);
    out->set_surviving_segments(view.surviving);
    out->set_suspect(view.suspect);
    for (const auto& peer : view.peers) {
      v1::PeerView* p = out->add_peers();
      p->set_node(peer.node.value());
      p->set_connected(peer.live);
      if (peer.last_heard) {
        p->set_last_heard_millis(static_cast<uint32_t>(
            std::chrono::round<std::chrono::milliseconds>(*peer.last_heard).count()));
      }
    }
    for (const RouteView& route : deps_.delivery->Routes()) {
      v1::RouteView* r = out->add_routes();
      r->set_host(route.route.host);
      r->set_port(route.route.port);
      r->set_state(std::string(cluster::ToString(route.state)));
      r->set_reason(route.reason);
      r->set_since_millis(Millis(route.since));
      r->set_concurrency(route.connections);
    }
    for (const DomainQueueView& domain : deps_.delivery->Domains()) {
      v1::DomainQueue* d = out->add_domains();
      d->set_domain(domain.domain);
      Fill(domain.counts, d->mutable_counts());
    }
    Fill(deps_.delivery->Totals(), out->mutable_owned());
  }

  static void FillMessage(const Service* self, const WaitingMessage& waiting,
                          const spool::MessageRecord& record, v1::QueuedMessage* out) {
    out->set_id(ToString(waiting.id));
    out->set_reverse_path(record.envelope.reverse_path);
    out->set_bytes(record.size);
    out->set_received_millis(Millis(record.received_at));
    out->set_owner(self->deps_.name);
    for (const WaitingLeg& leg : waiting.legs) {
      v1::QueuedLeg* l = out->add_legs();
      if (leg.leg < record.envelope.forward_paths.size()) {
        l->set_forward_path(record.envelope.forward_paths[leg.leg]);
      }
      FillLeg(leg, l);
    }
  }

  static net::Awaitable<absl::Status> List(const Service* self,
                                           const v1::ListOwnedMessagesRequest* request,
                                           v1::ListOwnedMessagesResponse* response) {
    std::optional<MessageId> after;
    if (!request->after().empty()) {
      auto parsed = ParseMessageId(request->after());
      if (!parsed.ok()) co_return parsed.status();
      after = *parsed;
    }
    const uint32_t limit = std::clamp(request->limit(), 1u, kMaxListed);
    std::vector<WaitingMessage> listed =
        self->deps_.delivery->List(request->domain(), after, limit + 1);
    response->set_more(listed.size() > limit);
    if (listed.size() > limit) listed.resize(limit);
    for (const WaitingMessage& waiting : listed) {
      auto record = co_await self->deps_.reader->OpenRecord(waiting.id);
      if (absl::IsNotFound(record.status())) continue;  // finished meanwhile
      if (!record.ok()) co_return record.status();
      FillMessage(self, waiting, *record, response->add_messages());
    }
    co_return absl::OkStatus();
  }

  static net::Awaitable<absl::Status> Get(const Service* self,
                                          const v1::GetStoredMessageRequest* request,
                                          v1::GetStoredMessageResponse* response) {
    auto id = ParseMessageId(request->id());
    if (!id.ok()) co_return id.status();
    const cluster::Segment* segment = self->deps_.core->replica().Find(id->segment);
    if (segment == nullptr || !segment->Knows(id->seq)) co_return absl::OkStatus();
    v1::MessageDetail* detail = response->mutable_detail();
    rpc::ToProto(segment->record, detail->mutable_segment());
    detail->set_owned_here(segment->owner != nullptr);
    const bool live = cluster::Contains(segment->held, id->seq);
    const bool aborted = cluster::Contains(segment->aborted, id->seq);
    const char* ended = segment->closed ? "closed" : "finished";
    detail->set_state(live ? "live" : aborted ? "aborted" : ended);
    auto outcomes = segment->outcomes.find(id->seq);
    if (outcomes != segment->outcomes.end()) {
      for (const auto& [leg, outcome] : outcomes->second) {
        rpc::ToProto(outcome, detail->add_outcomes());
      }
    }
    detail->mutable_message()->set_id(ToString(*id));
    if (!live) co_return absl::OkStatus();
    auto record = co_await self->deps_.reader->OpenRecord(*id);
    if (!record.ok()) {
      co_return absl::IsNotFound(record.status()) ? absl::OkStatus() : record.status();
    }
    WaitingMessage waiting;
    if (auto found = self->deps_.delivery->Find(*id)) {
      waiting = *std::move(found);
    } else {  // another node's to deliver
      waiting.id = *id;
      for (uint32_t leg = 0; leg < record->envelope.forward_paths.size(); ++leg) {
        waiting.legs.emplace_back().leg = leg;
      }
    }
    FillMessage(self, waiting, *record, detail->mutable_message());
    if (!detail->owned_here()) detail->mutable_message()->clear_owner();
    const std::string digest(record->digest.begin(), record->digest.end());
    detail->set_digest(absl::BytesToHexString(digest));
    detail->set_client_address(record->envelope.client_address);
    detail->set_helo(record->envelope.helo);
    co_return absl::OkStatus();
  }

  const Dependencies deps_;
};

NodeOperationsService::NodeOperationsService(Dependencies deps)
    : service_(std::make_unique<Service>(std::move(deps))) {}
NodeOperationsService::~NodeOperationsService() = default;
grpc::Service* NodeOperationsService::service() { return service_.get(); }
std::string NodeOperationsService::Name() { return v1::NodeOperations::service_full_name(); }

}  // namespace fermo::node
