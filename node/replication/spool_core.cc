#include "node/replication/spool_core.h"

#include <boost/asio/post.hpp>
#include <mutex>
#include <utility>

#include "node/delivery/deliverer.h"

namespace fermo::node {

// The store's thread puts tokens in; the core takes them all at once, so that
// one group commit costs one hand-over.
struct SpoolCore::Inbox {
  std::mutex mutex;
  std::vector<uint64_t> tokens;
};

namespace {

// Verdicts that are asked for at a time.
constexpr size_t kMostQuestions = 4096;

bool IsCopy(const cluster::Event& event) {
  const auto* data = std::get_if<cluster::DataReceived>(&event);
  return data != nullptr && (std::holds_alternative<cluster::Append>(data->message) ||
                             std::holds_alternative<cluster::Chunk>(data->message));
}

}  // namespace

SpoolCore::SpoolCore(net::Executor executor, SpoolCoreOptions options, SpoolStore& store,
                     Transport& transport, cluster::Snapshot snapshot,
                     std::vector<cluster::RecoveredSegment> recovered, Logger log,
                     net::Metrics& metrics)
    : executor_(executor),
      options_(std::move(options)),
      store_(store),
      transport_(transport),
      log_(log.ForComponent("spool")),
      metrics_(metrics, store),
      peer_metrics_(metrics, transport, options_.replica.self, snapshot),
      replica_(options_.replica, std::move(snapshot), std::move(recovered), BootClock::now()),
      copier_(executor, store, transport, options_.copy_rate, log.ForComponent("copier")),
      reader_(store, 1),
      inbox_(std::make_shared<Inbox>()),
      tick_(executor, [this] { OnTick(); }) {}

SpoolCore::~SpoolCore() { *alive_ = false; }

void SpoolCore::Start() { OnTick(); }

void SpoolCore::Stop() {
  stopped_ = true;
  for (auto& [id, settled] : resolving_) {
    settled(absl::UnavailableError("this node is shutting down"));
  }
  resolving_.clear();
  events_.clear();
  tick_.Cancel();
}

void SpoolCore::OnTick() {
  if (stopped_) return;
  KeepsUp();  // says so in time, also when no copies come
  Apply(cluster::Tick{});
  RefreshMetrics();
  WakeWaiting();
  tick_.Arm(options_.tick);
}

void SpoolCore::RefreshMetrics() {
  const cluster::Replica::View view = replica_.GetView(BootClock::now());
  metrics_.Refresh(view, transport_.MaxQueuedBytes());
  peer_metrics_.Refresh(replica_, BootClock::now());
}

// Actions may call back into here; their events wait until the actions of the
// event under way are done, so that the machine's order is kept.
void SpoolCore::Apply(cluster::Event event) {
  if (stopped_) return;
  if (IsCopy(event) && (refusing_copies_ || !KeepsUp())) return;
  events_.push_back(std::move(event));
  if (!draining_) Drain();
}

void SpoolCore::Drain() {
  draining_ = true;
  while (!events_.empty()) {
    cluster::Event event = std::move(events_.front());
    events_.pop_front();
    if (const auto* down = std::get_if<cluster::PeerDown>(&event)) {
      if (down->channel == cluster::Channel::kData) copier_.PeerGone(down->peer);
    }
    peer_metrics_.Saw(event, BootClock::now());
    Perform(replica_.Step(event, BootClock::now()));
  }
  draining_ = false;
}

void SpoolCore::Perform(cluster::Actions actions) {
  for (cluster::Action& action : actions) {
    std::visit([this](auto& a) { Do(a); }, action);
  }
}

void SpoolCore::Do(cluster::SendData& action) {
  peer_metrics_.Sending(action, BootClock::now());
  transport_.Send(std::move(action));
}

void SpoolCore::Do(cluster::AskToSurvive& action) {
  if (ask_) ask_(action.segment);
}

void SpoolCore::Do(cluster::Persist& action) {
  if (action.token == 0) {
    store_.Write(std::move(action.ops), action.durability, nullptr);
    return;
  }
  ++writes_waiting_;
  auto done = [this, alive = std::weak_ptr<bool>(alive_), inbox = inbox_, executor = executor_,
               token = action.token](const absl::Status& status) {
    if (!status.ok()) return;  // the store is broken, and its on_fatal ends the process
    bool first;
    {
      std::lock_guard lock(inbox->mutex);
      first = inbox->tokens.empty();
      inbox->tokens.push_back(token);
    }
    if (!first) return;
    net::asio::post(executor, [this, alive] {
      if (!alive.expired()) TakeFinishedWrites();
    });
  };
  store_.Write(std::move(action.ops), action.durability, std::move(done));
}

void SpoolCore::TakeFinishedWrites() {
  std::vector<uint64_t> tokens;
  {
    std::lock_guard lock(inbox_->mutex);
    tokens.swap(inbox_->tokens);
  }
  writes_waiting_ -= tokens.size();
  for (uint64_t token : tokens) Apply(cluster::Persisted{token});
  WakeWaiting();
}

// --- Uploads

cluster::UploadId SpoolCore::Begin(std::vector<std::string> regions, Settled settled) {
  const cluster::UploadId id = next_upload_++;
  uploads_[id].settled = std::move(settled);
  Apply(cluster::BeginUpload{id, std::move(regions)});
  return id;
}

void SpoolCore::Resolve(uint64_t token, Settled settled) {
  if (resolving_.size() >= kMostQuestions) {
    settled(absl::ResourceExhaustedError("too many verdicts are asked for at this moment"));
    return;
  }
  const cluster::UploadId id = next_upload_++;
  resolving_[id] = std::move(settled);
  Apply(cluster::ResolveUpload{id, token});
}

void SpoolCore::AddChunk(cluster::UploadId upload, Bytes octets) {
  Apply(cluster::AddChunk{upload, std::move(octets)});
}

void SpoolCore::Commit(cluster::UploadId id, spool::MessageRecord record, Bytes only_chunk) {
  auto it = uploads_.find(id);
  if (it == uploads_.end() || !replica_.IsOpen(id)) return;  // refused already
  Upload& upload = it->second;
  upload.forward_paths = record.envelope.forward_paths;
  upload.size = record.size;
  upload.received_at = record.received_at;
  upload.committed_at = BootClock::now();
  // Nothing comes between this and the event: the planned seq is the seq.
  record.body = only_chunk ? replica_.PlannedId(id).seq.value() : replica_.PlannedBody(id);
  cluster::CommitUpload event;
  event.upload = id;
  event.record = MakeBytes(spool::Encode(record));
  event.chunk = std::move(only_chunk);
  event.chunks = record.chunks;
  event.token = record.token;
  event.legs = static_cast<uint32_t>(record.envelope.forward_paths.size());
  Apply(std::move(event));
}

void SpoolCore::Abandon(cluster::UploadId id) {
  auto it = uploads_.find(id);
  if (it == uploads_.end()) return;
  if (it->second.committed_at != Instant{}) {
    // Too late: whatever becomes durable is mail, with nobody left to tell.
    it->second.settled = [](absl::StatusOr<MessageId>) {};
    return;
  }
  uploads_.erase(it);
  Apply(cluster::AbandonUpload{id});
}

void SpoolCore::Do(cluster::UploadSettled& action) {
  if (auto asked = resolving_.extract(action.upload); !asked.empty()) {
    if (action.status.ok()) {
      asked.mapped()(action.message);
    } else {
      asked.mapped()(action.status);
    }
    return;
  }
  auto it = uploads_.find(action.upload);
  if (it == uploads_.end()) return;  // abandoned before its last chunk
  Upload upload = std::move(it->second);
  uploads_.erase(it);
  const Duration taken =
      upload.committed_at == Instant{} ? Duration{} : BootClock::now() - upload.committed_at;
  if (action.status.ok()) {
    metrics_.Accepted(upload.size, taken);
    delivery_->Add(action.message, upload.forward_paths, upload.size, upload.received_at);
    upload.settled(action.message);
  } else {
    metrics_.Refused(taken);
    upload.settled(action.status);
  }
}

bool SpoolCore::HasRoom() const {
  const size_t limit = options_.max_waiting_bytes;
  if (store_.QueuedBytes() >= limit) return false;
  if (transport_.MaxQueuedBytes() < limit) return true;
  // One that is slow must not hold up mail that W others take; it is cut off when it
  // is too far behind, and brought up to date at its own pace.
  const auto quick = [&](NodeId peer) { return transport_.QueuedBytes(peer) < limit; };
  return replica_.CanReach(quick, BootClock::now());
}

// Peers send on whatever our disk does: what it can't keep up with is dropped,
// and comes again when their owners next compare inventories. A body that lost
// chunks is asked for again when its append comes.
bool SpoolCore::KeepsUp() {
  const size_t waiting = store_.QueuedBytes();
  const size_t limit = store_behind_ ? options_.max_waiting_bytes : 2 * options_.max_waiting_bytes;
  const bool behind = waiting > limit;
  if (behind != store_behind_) {
    store_behind_ = behind;
    cluster::Note note;
    note.what = behind ? "store_behind" : "store_caught_up";
    metrics_.Noted(note);
    log_.Warning(note.what, {{log::kBytes, waiting}});
  }
  return !behind;
}

void SpoolCore::WhenRoom(std::function<void()> go) {
  if (HasRoom()) {
    go();
    return;
  }
  waiting_for_room_.push_back(std::move(go));
}

void SpoolCore::WakeWaiting() {
  if (waiting_for_room_.empty() || !HasRoom()) return;
  std::vector<std::function<void()>> waiting;
  waiting.swap(waiting_for_room_);
  for (auto& go : waiting) go();
}

bool SpoolCore::Idle() const {
  return uploads_.empty() && writes_waiting_ == 0 && events_.empty() && store_.QueuedBytes() == 0;
}

// --- Delivery

bool SpoolCore::MayStart(const SegmentId& segment) const {
  return replica_.MayStart(segment, BootClock::now());
}

bool SpoolCore::MayFinish(const MessageId& message) const {
  return replica_.MayFinish(message, BootClock::now());
}

void SpoolCore::Announce(const MessageId& message, std::vector<uint32_t> legs,
                         std::function<void(AnnounceVerdict)> done) {
  announcing_[message] = std::move(done);
  Apply(cluster::BeginAttempt{message, std::move(legs)});
}

void SpoolCore::Finish(const MessageId& message, std::vector<spool::LegOutcome> outcomes) {
  announcing_.erase(message);
  Apply(cluster::EndAttempt{message, std::move(outcomes)});
}

void SpoolCore::EndAnnouncement(const MessageId& message, AnnounceVerdict verdict) {
  auto node = announcing_.extract(message);
  if (node.empty()) return;
  net::asio::post(executor_, [done = std::move(node.mapped()), verdict] { done(verdict); });
}

void SpoolCore::Do(cluster::AttemptCleared& action) {
  EndAnnouncement(action.message, AnnounceVerdict::kCleared);
}

void SpoolCore::Do(cluster::AttemptStopped& action) {
  EndAnnouncement(action.message, AnnounceVerdict::kStopped);
}

void SpoolCore::Do(cluster::LegsSettled& action) {
  std::vector<uint32_t> legs = std::move(action.legs);
  if (legs.empty()) {  // all of them
    auto waiting = delivery_->Find(action.message);
    if (!waiting) return;
    for (const WaitingLeg& leg : waiting->legs) legs.push_back(leg.leg);
  }
  delivery_->LegsDone(action.message, legs);
}

void SpoolCore::Do(cluster::SegmentLost& action) { delivery_->DropSegment(action.segment); }

void SpoolCore::Do(cluster::TakeOver& action) {
  const uint64_t tenure = TenureOf(action.segment);
  net::Spawn(executor_, LoadTakenOver(alive_, this, std::move(action), tenure));
}

// Of our ownership, or of our delivery alone; 0: neither.
uint64_t SpoolCore::TenureOf(const SegmentId& id) const {
  const cluster::Segment* segment = replica_.Find(id);
  if (segment == nullptr) return 0;
  if (segment->owner) return segment->owner->tenure;
  return segment->survivor ? segment->survivor->tenure : 0;
}

// Reads the records of messages that came by a claim, and gives them to
// delivery as they come.
net::Awaitable<void> SpoolCore::LoadTakenOver(std::shared_ptr<bool> alive, SpoolCore* core,
                                              cluster::TakeOver taken, uint64_t tenure) {
  for (cluster::OwnedMessage& message : taken.messages) {
    MessageId id;
    id.segment = taken.segment;
    id.seq = message.seq;
    if (!*alive || core->stopped_) co_return;
    auto opened = co_await core->reader_.OpenRecord(id);
    if (!*alive || core->stopped_) co_return;
    const cluster::Segment* segment = core->replica_.Find(taken.segment);
    if (segment == nullptr || tenure == 0 || core->TenureOf(taken.segment) != tenure) co_return;
    if (!opened.ok()) {
      if (!absl::IsNotFound(opened.status())) {
        core->log_.Error("message_unreadable",
                         {{log::kMessageId, id}, {log::kError, opened.status()}});
      }
      continue;
    }
    if (!cluster::Contains(segment->held, id.seq)) continue;  // ended while we read
    std::vector<uint32_t> done_legs;
    auto known = segment->outcomes.find(id.seq);
    if (known != segment->outcomes.end()) {
      for (const auto& [leg, outcome] : known->second) done_legs.push_back(leg);
    }
    core->delivery_->Add(id, opened->envelope.forward_paths, done_legs, opened->size,
                         opened->received_at, message.not_before);
  }
}

void SpoolCore::Do(cluster::Note& note) {
  if (!metrics_.Noted(note)) return;
  log_.Info(note.what, {{log::kSegment, note.segment},
                        {log::kEpoch, note.epoch},
                        {log::kNode, note.peer},
                        {log::kCount, note.count}});
}

}  // namespace fermo::node
