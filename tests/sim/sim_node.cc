#include "tests/sim/sim_node.h"

#include <algorithm>

#include "fmt/format.h"

namespace fermo::sim {

using namespace std::chrono_literals;
using cluster::Channel;

namespace {

constexpr Duration kTick = 100ms;
constexpr Duration kSyncTime = 1ms;
constexpr char kDomain[] = "example.test";
// What a read of one copy from the store costs.
constexpr Duration kRead = 200us;

}  // namespace

SimNode::SimNode(World world, NodeSettings settings)
    : world_(world),
      settings_(std::move(settings)),
      id_(settings_.id),
      snapshot_(world.coordinator.snapshot()),
      machine_started_(world.scheduler.now() - 1h),
      sync_time_(kSyncTime) {}

Instant SimNode::Local() const {
  const Duration up = world_.scheduler.now() - machine_started_;
  return Instant(std::chrono::duration_cast<Duration>(up * settings_.clock_rate) + 1s);
}

// --- Life

void SimNode::Boot() {
  if (Running()) return;
  ++boot_;
  ++life_;
  cluster::ReplicaOptions options = settings_.replica;
  options.self = id_;
  options.boot = boot_;
  options.seed = world_.random.NextU64();
  options.machine_restarted_at = forgot_at_;
  options.suspect = suspect_;
  queue_random_ = std::make_unique<Rng>(world_.random.NextU64());
  domains_ = std::make_unique<node::DomainTable>();
  domains_->Assign(domains_->Intern(kDomain), domains_->InternRoute({"primary.test", 25}));
  node::QueueOptions queue;
  queue.retry_first = 5s;
  queue_ = std::make_unique<node::DeliveryQueue>(queue, *domains_, *queue_random_);
  disk_.Open();
  disk_fails_ = false;
  sync_time_ = kSyncTime;
  stalled_until_ = Instant{};
  booted_at_ = Local();
  replica_ = std::make_unique<cluster::Replica>(
      options, snapshot_, disk_.live().Recover(Local(), options.grace), Local());
  world_.history.Add(world_.scheduler.now(), "node {} boots for the {}. time", settings_.index,
                     boot_);
  world_.network.Started(settings_.index);
  Tick();
  WhenOn(world_.random.Jitter(100ms, 0.9), [this] { Join(); });
}

void SimNode::Disarm() {
  power_at_promise_ = disk_fails_ = tell_of_proposal_ = false;
  power_at_write_ = 0;
  crash_at_ = Word::kNone;
  stall_before_dot_ = Duration{};
}

void SimNode::EndProcess() {
  world_.oracle.NodeStops(world_.scheduler.now(), settings_.index);
  replica_.reset();
  events_.clear();
  stalled_.clear();
  writes_.clear();
  writing_ = false;
  attempts_.clear();
  std::map<cluster::UploadId, Uploading> cut_off;
  cut_off.swap(uploads_);
  for (auto& [id, upload] : cut_off) upload.verdict(std::nullopt);
}

void SimNode::Crash() {
  if (!Running()) return;
  world_.history.Add(world_.scheduler.now(), "node {} is killed", settings_.index);
  // What was handed to the log is with the system, up to some write.
  const uint64_t handed = world_.random.Uniform(writes_.size() + 1);
  for (uint64_t i = 0; i < handed; ++i) {
    disk_.Apply(std::make_shared<std::vector<spool::WriteOp>>(std::move(writes_[i].ops)), false);
  }
  EndProcess();
  world_.network.Died(settings_.index, false);
}

void SimNode::LosePower() {
  if (Running()) EndProcess();
  world_.history.Add(world_.scheduler.now(), "node {} loses power", settings_.index);
  disk_.LosePower(world_.random);
  machine_started_ = world_.scheduler.now();
  forgot_at_ = Instant(1ns);
  suspect_ = true;
  world_.network.Died(settings_.index, true);
}

void SimNode::Lie() {
  LosePower();
  world_.history.Add(world_.scheduler.now(), "node {} loses synced writes", settings_.index);
  const test::VirtualDisk before = disk_.durable();
  disk_.Lie(world_.random);
  world_.oracle.DiskLied(before, disk_.durable());
}

bool SimNode::IsTrusted() const { return Answering() && !replica_->GetView(Local()).suspect; }

void SimNode::Wipe() {
  LosePower();
  world_.history.Add(world_.scheduler.now(), "node {} loses its disk", settings_.index);
  disk_.Wipe();
  id_ = NodeId(id_.value() + kIdentities);
  boot_ = 0;
  forgot_at_ = Instant{};
  suspect_ = false;
  snapshot_ = cluster::Snapshot();
}

bool SimNode::IsSafeToRemove() const {
  if (!Answering()) return false;
  const cluster::Replica::View view = replica_->GetView(Local());
  return view.draining && view.to_hand_over == 0 && uploads_.empty();
}

void SimNode::StopAccepting() {
  Receive(cluster::StopAccepting{});
  if (IsTrusted()) suspect_ = false;  // its stop will be a clean one
}

void SimNode::Reconfigure(uint32_t copies, uint32_t write_copies) {
  settings_.replica.copies = copies;
  settings_.replica.write_copies = write_copies;
}

void SimNode::Stall(Duration span) {
  if (!Running()) return;
  world_.history.Add(world_.scheduler.now(), "node {} stalls for {} ms", settings_.index,
                     span / 1ms);
  stalled_until_ = std::max(stalled_until_, world_.scheduler.now() + span);
  world_.network.Stalled(settings_.index);
  world_.scheduler.At(stalled_until_, [this, life = life_] {
    if (life != life_ || !Answering()) return;
    std::deque<Scheduler::Task> waiting;
    waiting.swap(stalled_);
    for (Scheduler::Task& task : waiting) Do(std::move(task));
  });
}

void SimNode::Do(Scheduler::Task task) {
  if (!Running()) return;
  if (Answering()) {
    task();
  } else {
    stalled_.push_back(std::move(task));
  }
}

void SimNode::WhenOn(Duration after, Scheduler::Task task) {
  world_.scheduler.After(after, [this, life = life_, task = std::move(task)] {
    if (life == life_) Do(task);
  });
}

void SimNode::Tick() {
  Step(cluster::Tick{});
  if (!Running()) return;
  queue_->Advance(Local());
  Deliver();
  WhenOn(kTick, [this] { Tick(); });
}

// --- The machine

void SimNode::Receive(cluster::Event event) {
  Do([this, event = std::move(event)] { Step(event); });
}

// Actions may lead to further events, which wait for their turn.
void SimNode::Step(const cluster::Event& event) {
  events_.push_back(event);
  if (stepping_) return;
  stepping_ = true;
  while (Running() && !events_.empty()) {
    cluster::Event next = std::move(events_.front());
    events_.pop_front();
    if (disk_full_) {
      const auto* data = std::get_if<cluster::DataReceived>(&next);
      const bool copy =
          data != nullptr && (std::holds_alternative<cluster::Append>(data->message) ||
                              std::holds_alternative<cluster::Chunk>(data->message));
      if (copy) continue;
    }
    cluster::Actions actions = replica_->Step(next, Local());
    for (cluster::Action& action : actions) {
      if (!Running()) break;
      std::visit([this](auto& a) { Perform(a); }, action);
    }
  }
  stepping_ = false;
}

void SimNode::MaybeCrashAt(NodeId to, const cluster::ControlMessage& message) {
  const auto* promise = std::get_if<cluster::Promise>(&message);
  const auto* answer = std::get_if<cluster::AnnounceAnswer>(&message);
  const bool promises = promise != nullptr && promise->granted;
  const bool acknowledges = answer != nullptr && !answer->refused && answer->known.empty();
  const bool now = (crash_at_ == Word::kPromise && promises) ||
                   (crash_at_ == Word::kAcknowledgement && acknowledges);
  if (!now) return;
  crash_at_ = Word::kNone;
  on_word(IndexOf(to));
  WhenOn(world_.random.Jitter(250us, 1), [this] {
    Crash();
    on_death();
  });
}

void SimNode::Perform(cluster::SendControl& action) {
  if (crash_at_ != Word::kNone) MaybeCrashAt(action.to, action.message);
  const auto* promise = std::get_if<cluster::Promise>(&action.message);
  if (power_at_promise_ && promise != nullptr && promise->granted) {
    power_at_promise_ = false;
    WhenOn(world_.random.Jitter(1ms, 1), [this] {
      LosePower();
      on_death();
    });
  }
  const auto* claim = std::get_if<cluster::Claim>(&action.message);
  if (tell_of_proposal_ && claim != nullptr && claim->record.next_epoch != Epoch()) {
    tell_of_proposal_ = false;
    world_.scheduler.After(world_.random.Jitter(20ms, 1), on_proposal);
  }
  world_.network.Send(settings_.index, action.to, Channel::kControl, action.answer,
                      cluster::ControlReceived{id_, boot_, std::move(action.message)});
}

void SimNode::Perform(cluster::SendData& action) {
  world_.network.Send(settings_.index, action.to, Channel::kData, action.answer,
                      cluster::DataReceived{id_, std::move(action.message)});
}

// As node/replication/copier: read one, send it, read the next.
void SimNode::Perform(cluster::SendCopies& action) {
  Duration at{};
  for (const uint32_t seq : action.seqs) {
    at += kRead;
    const MessageId id{action.segment.id, Seq(seq)};
    WhenOn(at, [this, id, to = action.to, segment = action.segment] {
      const Bytes* octets = disk_.live().Record(id);
      if (octets == nullptr) return;  // finished meanwhile
      auto record = spool::DecodeMessageRecord(**octets);
      if (!record.ok() || !disk_.live().HasBody(id.segment, record->body, record->chunks)) return;
      cluster::Append append{segment, id.seq, *octets, nullptr, true};
      auto send = [&](cluster::DataMessage message) {
        world_.network.Send(settings_.index, to, Channel::kData, false,
                            cluster::DataReceived{id_, std::move(message)});
      };
      const auto chunk = [&](uint32_t i) {
        return disk_.live().Chunk(id.segment, record->body, i);
      };
      if (record->chunks == 1) append.chunk = chunk(0);
      for (uint32_t i = 0; record->chunks > 1 && i < record->chunks; ++i) {
        send(cluster::Chunk{id.segment, record->body, i, chunk(i)});
      }
      send(std::move(append));
    });
  }
}

void SimNode::Perform(cluster::AskToSurvive& action) {
  WhenOn(world_.random.Jitter(20ms, 0.9), [this, segment = action.segment] {
    using Kind = cluster::SurvivorVerdict::Kind;
    Kind kind = Kind::kUnreachable;
    if (!world_.coordinator.gone) {
      kind = world_.coordinator.MayDeliverAlone(segment, id_) ? Kind::kGranted : Kind::kRefused;
    }
    Step(cluster::SurvivorVerdict{kind, segment});
  });
}

// --- The disk

void SimNode::Perform(cluster::Persist& action) {
  writes_.push_back(std::move(action));
  StartWriting();
}

void SimNode::StartWriting() {
  if (writing_ || writes_.empty()) return;
  writing_ = true;
  const size_t batch = writes_.size();
  // The disk goes on while the process is stalled; its answer waits.
  world_.scheduler.After(world_.random.Jitter(sync_time_, 0.5), [this, life = life_, batch] {
    if (life == life_ && Running()) FinishWriting(batch);
  });
}

void SimNode::FinishWriting(size_t batch) {
  bool synced = false;
  for (size_t i = 0; i < batch; ++i) {
    synced = synced || writes_[i].durability == spool::Durability::kSynced;
  }
  if (synced && disk_fails_) {
    world_.history.Add(world_.scheduler.now(), "node {} ends itself: fsync failed",
                       settings_.index);
    Crash();
    // What the system still has of earlier writes may never reach the disk.
    forgot_at_ = Local();
    suspect_ = true;
    on_death();
    return;
  }
  if (synced && power_at_write_ > 0 && --power_at_write_ == 0) {
    LosePower();  // in the middle of it
    on_death();
    return;
  }
  std::vector<uint64_t> tokens;
  for (size_t i = 0; i < batch; ++i) {
    const bool last = i + 1 == batch;
    auto ops = std::make_shared<std::vector<spool::WriteOp>>(std::move(writes_.front().ops));
    for (const spool::WriteOp& op : *ops) {
      if (const auto* gone = std::get_if<spool::DeleteSegment>(&op)) {
        world_.history.Add(world_.scheduler.now(), "node {} deletes {}", settings_.index,
                           ToString(gone->id));
      }
      if (const auto* put = std::get_if<spool::PutMessage>(&op)) {
        world_.oracle.CopyStored(world_.scheduler.now(), settings_.index, put->id, *put->record);
      }
      const auto* finished = std::get_if<spool::PutFinished>(&op);
      if (finished != nullptr) {
        world_.oracle.BodyGoes(world_.scheduler.now(), settings_.index, finished->id);
      }
    }
    disk_.Apply(ops, synced && last);
    if (writes_.front().token != 0) tokens.push_back(writes_.front().token);
    writes_.pop_front();
  }
  writing_ = false;
  StartWriting();
  for (const uint64_t token : tokens) Receive(cluster::Persisted{token});
}

void SimNode::Perform(cluster::Note& action) {
  world_.history.Add(world_.scheduler.now(), "node {} notes {} of {} at epoch {}", settings_.index,
                     action.what, ToString(action.segment), action.epoch.value());
  if (action.what == "last_survivor") world_.oracle.DeliversAlone(action.segment);
  if (action.what == "takeover") {
    world_.oracle.TookOver(world_.scheduler.now(), settings_.index, action.segment, action.epoch);
  }
}

}  // namespace fermo::sim
