// Mail through a node: uploads from senders, attempts at the primary.
#include <algorithm>

#include "fmt/format.h"
#include "tests/sim/sim_node.h"

namespace fermo::sim {

using namespace std::chrono_literals;
using node::LegResult;

namespace {

constexpr char kDomain[] = "example.test";

spool::MessageRecord RecordOf(const SimNode::Mail& mail) {
  spool::MessageRecord record;
  for (uint32_t leg = 0; leg < mail.legs; ++leg) {
    record.envelope.forward_paths.push_back(fmt::format("leg{}@{}", leg, kDomain));
  }
  record.token = mail.token;
  record.chunks = mail.chunks;
  record.size = mail.chunks;
  return record;
}

}  // namespace

Bytes SimNode::Content(uint64_t token, uint32_t index) {
  return MakeBytes(fmt::format("{}/{}", token, index));
}

// --- Mail comes in

void SimNode::Upload(Mail mail, Verdict verdict) {
  if (!Running()) {
    verdict(std::nullopt);
    return;
  }
  const cluster::UploadId upload = next_upload_++;
  uploads_[upload] = {mail, std::move(verdict), {}, 0, false};
  Do([this, upload] {
    if (disk_full_) {
      cluster::UploadSettled refused{upload, {}, absl::ResourceExhaustedError("disk is full")};
      Perform(refused);
      return;
    }
    Step(cluster::BeginUpload{upload, uploads_.at(upload).mail.regions});
    if (Running() && uploads_.contains(upload)) NextChunk(upload);
  });
}

void SimNode::Resolve(uint64_t token, Verdict verdict) {
  if (!Running()) {
    verdict(std::nullopt);
    return;
  }
  const cluster::UploadId upload = next_upload_++;
  uploads_[upload] = {{token, 1, 1, {}, {}}, std::move(verdict), {}, 0, true};
  Do([this, upload, token] { Step(cluster::ResolveUpload{upload, token}); });
}

void SimNode::NextChunk(cluster::UploadId upload) {
  auto it = uploads_.find(upload);
  if (it == uploads_.end()) return;
  Uploading& uploading = it->second;
  if (uploading.mail.chunks == 1 || uploading.sent_chunks == uploading.mail.chunks) {
    Commit(upload);
    return;
  }
  const uint32_t index = uploading.sent_chunks++;
  const Duration pause = uploading.mail.between_chunks;
  Step(cluster::AddChunk{upload, Content(uploading.mail.token, index)});
  if (Running()) WhenOn(pause, [this, upload] { NextChunk(upload); });
}

void SimNode::Commit(cluster::UploadId upload) {
  if (!replica_->IsOpen(upload)) return;
  Uploading& uploading = uploads_.at(upload);
  spool::MessageRecord record = RecordOf(uploading.mail);
  uploading.id = replica_->PlannedId(upload);
  const bool one = record.chunks == 1;
  record.body = one ? uploading.id.seq.value() : replica_->PlannedBody(upload);
  record.received_at = WallTime(world_.scheduler.now().time_since_epoch() / 1ms * 1ms);
  cluster::CommitUpload commit;
  commit.upload = upload;
  commit.record = MakeBytes(spool::Encode(record));
  if (one) commit.chunk = Content(record.token, 0);
  commit.chunks = record.chunks;
  commit.legs = uploading.mail.legs;
  commit.token = uploading.mail.token;
  Step(commit);
}

void SimNode::Perform(cluster::UploadSettled& action) {
  auto it = uploads_.find(action.upload);
  if (it == uploads_.end()) return;
  Uploading upload = std::move(it->second);
  uploads_.erase(it);
  const Instant now = world_.scheduler.now();
  if (upload.resolving) {
    if (action.status.ok()) {
      world_.history.Add(now, "node {} recognises upload {}", settings_.index, upload.mail.token);
      world_.oracle.Accepted(now, upload.mail.token, action.message);
    }
    upload.verdict(action.status);
    return;
  }
  world_.oracle.Verdict(now, upload.mail.token, action.message, action.status.ok());
  if (action.status.ok()) {
    world_.history.Add(now, "node {} answers 250 for {}", settings_.index,
                       ToString(action.message));
    Enqueue(action.message, RecordOf(upload.mail), {}, Local());
  } else {
    world_.history.Add(now, "node {} refuses upload {}: {}", settings_.index, upload.mail.token,
                       std::string(action.status.message()));
  }
  upload.verdict(action.status);
}

// --- Mail goes out

void SimNode::Enqueue(const MessageId& id, const spool::MessageRecord& record,
                      const std::vector<uint32_t>& done, Instant not_before) {
  std::vector<node::LegEntry> legs(record.envelope.forward_paths.size());
  for (const uint32_t leg : done) legs[leg].done = true;
  queue_->Add(id, std::move(legs), record.size, record.received_at, not_before, Local());
}

void SimNode::Perform(cluster::TakeOver& action) {
  for (const cluster::OwnedMessage& message : action.messages) {
    const MessageId id{action.segment, message.seq};
    const Bytes* octets = disk_.live().Record(id);
    if (octets == nullptr) continue;  // its write is on the way, and offers it again
    auto record = spool::DecodeMessageRecord(**octets);
    if (record.ok()) Enqueue(id, *record, message.done_legs, message.not_before);
  }
}

void SimNode::Perform(cluster::LegsSettled& action) {
  std::vector<uint32_t> legs = action.legs;
  if (legs.empty()) {
    auto waiting = queue_->Find(action.message);
    if (!waiting) return;
    for (const node::WaitingLeg& leg : waiting->legs) legs.push_back(leg.leg);
  }
  queue_->LegsDone(action.message, legs, Local());
}

void SimNode::Perform(cluster::SegmentLost& action) { queue_->DropSegment(action.segment); }

void SimNode::Deliver() {
  while (Running() && world_.primary.up && attempts_.size() < settings_.connections) {
    auto taken = queue_->Take(0, Local(), [this](const SegmentId& segment) {
      return replica_->MayStart(segment, Local());
    });
    if (!taken) return;
    const cluster::Segment* segment = replica_->Find(taken->id.segment);
    attempts_[taken->id] = {taken->legs, segment->record.epoch, segment->survivor != nullptr,
                            false};
    world_.oracle.AttemptBegins(world_.scheduler.now(), settings_.index, taken->id, taken->legs);
    Step(cluster::BeginAttempt{taken->id, taken->legs});
  }
}

void SimNode::Perform(cluster::AttemptCleared& action) {
  // The content goes over meanwhile.
  WhenOn(world_.random.Jitter(world_.primary.latency * 5, 0.9),
         [this, id = action.message] { SendDot(id); });
}

void SimNode::Perform(cluster::AttemptStopped& action) {
  auto it = attempts_.find(action.message);
  if (it == attempts_.end() || it->second.dot_sent) return;
  std::vector<LegResult> results;
  for (const uint32_t leg : it->second.legs) {
    results.push_back({leg, LegResult::Kind::kBlocked, {}});
  }
  EndAttempt(action.message, std::move(results));
}

void SimNode::SendDot(const MessageId& id) {
  auto it = attempts_.find(id);
  if (it == attempts_.end() || it->second.dot_sent) return;
  Attempt& attempt = it->second;
  std::vector<LegResult> results;
  if (!replica_->MayFinish(id, Local())) {
    for (const uint32_t leg : attempt.legs) results.push_back({leg, LegResult::Kind::kBlocked, {}});
    EndAttempt(id, std::move(results));
    return;
  }
  const Instant now = world_.scheduler.now();
  const Bytes* octets = disk_.live().Record(id);
  absl::StatusOr<spool::MessageRecord> record = absl::NotFoundError("no record");
  if (octets != nullptr) record = spool::DecodeMessageRecord(**octets);
  if (!record.ok() || !disk_.live().HasBody(id.segment, record->body, record->chunks)) {
    world_.oracle.Unreadable(now, settings_.index, id);
    for (const uint32_t leg : attempt.legs) results.push_back({leg, LegResult::Kind::kBlocked, {}});
    EndAttempt(id, std::move(results));
    return;
  }
  for (uint32_t i = 0; i < record->chunks; ++i) {
    const Bytes& chunk = disk_.live().Chunk(id.segment, record->body, i);
    if (*chunk != *Content(record->token, i)) world_.oracle.Unreadable(now, settings_.index, id);
  }
  attempt.dot_sent = true;
  world_.oracle.DotLeaves(now, settings_.index, id, attempt.legs, attempt.epoch, attempt.alone);
  world_.history.Add(now, "node {} sends the final dot of {} at epoch {}", settings_.index,
                     ToString(id), attempt.epoch.value());
  Duration held = std::exchange(stall_before_dot_, Duration{});
  if (held > 0s) Stall(held);  // checked, and then the process was stopped
  held += world_.random.Jitter(world_.primary.latency, 0.9);
  world_.scheduler.After(held, [this, id, legs = attempt.legs, token = record->token,
                                life = life_] {
    const SimPrimary& primary = world_.primary;
    const bool lost = world_.random.OneIn(primary.loses_reply);
    std::vector<LegResult> answers;
    for (const uint32_t leg : legs) {
      const bool refused = !primary.up || world_.random.OneIn(primary.refuses_leg);
      LegResult::Kind kind = LegResult::Kind::kDone;
      if (refused) kind = primary.up ? LegResult::Kind::kDeferred : LegResult::Kind::kBroken;
      answers.push_back({leg, kind, {}});
      if (refused) continue;
      world_.oracle.Delivered(world_.scheduler.now(), settings_.index, id, token, leg);
      world_.history.Add(world_.scheduler.now(), "the primary has leg {} of {}", leg, ToString(id));
    }
    if (lost) {
      world_.oracle.ReplyLost(id, legs);
      for (LegResult& answer : answers) answer.kind = LegResult::Kind::kBroken;
    }
    if (life != life_) return;
    WhenOn(lost ? settings_.dot_timeout : world_.random.Jitter(primary.latency, 0.9),
           [this, id, answers] { EndAttempt(id, answers); });
  });
}

void SimNode::EndAttempt(const MessageId& id, std::vector<LegResult> results) {
  if (attempts_.erase(id) == 0) return;
  cluster::EndAttempt end{id, {}};
  for (const LegResult& result : results) {
    if (result.kind != LegResult::Kind::kDone) continue;
    spool::LegOutcome& outcome = end.outcomes.emplace_back();
    outcome.leg = result.leg;
    outcome.outcome = spool::Outcome::kDelivered;
  }
  world_.oracle.AttemptEnds(settings_.index, id, !end.outcomes.empty());
  Step(end);
  if (!Running()) return;
  queue_->Release(id, results, Local());
  if (!stepping_) Deliver();
}

}  // namespace fermo::sim
