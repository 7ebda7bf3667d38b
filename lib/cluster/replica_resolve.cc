// What became of an upload whose verdict its sender did not hear: recognised
// by the token of its call, also after a restart of this process.
#include <algorithm>

#include "lib/cluster/replica.h"

namespace fermo::cluster {
namespace {

// A frontend asks within seconds or never.
constexpr auto kRememberTokens = std::chrono::minutes(2);

}  // namespace

void Replica::Remember(uint64_t token, const MessageId& message) {
  if (token == 0) return;
  tokens_[token] = message;
  token_ages_.emplace_back(now_, token);
}

void Replica::On(const ResolveUpload& event) {
  if (!Resolve(event)) resolving_.emplace_back(now_ + options_.append_budget, event);
}

bool Replica::Resolve(const ResolveUpload& event) {
  const auto settle = [&](const MessageId& message, absl::Status status) {
    out_.push_back(UploadSettled{event.upload, message, std::move(status)});
    return true;
  };
  const auto known = tokens_.find(event.token);
  if (known == tokens_.end()) {
    return settle({}, absl::NotFoundError("nothing is known of this token"));
  }
  const MessageId& id = known->second;
  const Segment* segment = Find(id.segment);
  if (segment == nullptr) return settle({}, absl::UnknownError("the message's segment has ended"));
  if (Contains(segment->aborted, id.seq)) {  // one that took over may have delivered it before
    return settle({}, absl::UnknownError("too few copies within the budget"));
  }
  if (Contains(segment->finished, id.seq)) return settle(id, absl::OkStatus());
  if (!segment->owner || !Contains(segment->held, id.seq)) return false;
  if (segment->writer && segment->writer->pending.contains(id.seq)) return false;
  std::vector<NodeId> stored{options_.self};
  for (const HolderView& view : segment->owner->holders) {
    const bool counts = view.role == HolderView::Role::kHolder;
    if (counts && Contains(view.has, id.seq)) stored.push_back(view.node);
  }
  if (!DurableOn(segment->record, stored)) return false;
  AddNote("upload_recognised", *segment);
  return settle(id, absl::OkStatus());
}

void Replica::TickResolving() {
  while (!token_ages_.empty() && now_ - token_ages_.front().first >= kRememberTokens) {
    tokens_.erase(token_ages_.front().second);
    token_ages_.pop_front();
  }
  std::erase_if(resolving_, [this](const auto& waiting) {
    if (Resolve(waiting.second)) return true;
    if (now_ < waiting.first) return false;
    out_.push_back(UploadSettled{waiting.second.upload, {}, absl::UnknownError("no verdict yet")});
    return true;
  });
}

}  // namespace fermo::cluster
