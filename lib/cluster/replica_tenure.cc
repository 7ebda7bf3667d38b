// What a claim that holds makes of its claimant: a new owner, an owner with a
// new list of holders, or one that hands over and leaves.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "lib/cluster/replica.h"

namespace fermo::cluster {
namespace {

// Delivery goes on before the next list is tried.
constexpr auto kAfterAClaim = std::chrono::seconds(10);

// What several nodes together know of a segment.
struct Facts {
  SeqSet known;  // held, finished or aborted
  SeqSet finished;
  std::set<std::pair<Seq, uint32_t>> outcomes;

  void Add(const Inventory& inventory) {
    known |= inventory.held | inventory.finished | inventory.aborted;
    finished |= inventory.finished;
    for (const auto& outcome : inventory.outcomes) outcomes.insert({outcome.seq, outcome.leg});
  }
  bool AreIn(const Inventory& inventory) const {
    Facts has;
    has.Add(inventory);
    const auto is_there = [&has](const std::pair<Seq, uint32_t>& leg) {
      return Contains(has.finished, leg.first) || has.outcomes.contains(leg);
    };
    return finished.isSubset(has.finished) && known.isSubset(has.known) &&
           std::all_of(outcomes.begin(), outcomes.end(), is_there);
  }
};

}  // namespace

// The fate of a proposed list, which a quorum of it and of the committed one
// have promised to us: committed when the nodes that join have all there is,
// else gone. Either is safe at a new epoch (docs/replication.md, "Lists").
void Replica::SettleList(Segment& segment, const ClaimState& claim) {
  SegmentRecord& record = segment.record;
  if (record.next_epoch == Epoch()) {
    record.next_holders.clear();
    return;
  }
  const Inventory own = MakeInventory(segment);
  std::map<NodeId, const Inventory*> inventories{{options_.self, &own}};
  for (const auto& [from, promise] : claim.promises) inventories[from] = &promise.inventory;
  // Who may have lost mail that only those have who are to leave says nothing about all.
  bool complete = !segment.suspect;
  Facts all;
  for (const auto& [node, inventory] : inventories) {
    complete = complete && !inventory->suspect;
    all.Add(*inventory);
  }
  const auto has_all = [&](NodeId node) {
    const auto inventory = inventories.find(node);
    return inventory != inventories.end() && all.AreIn(*inventory->second);
  };
  std::vector<NodeId> whole;  // of the new list
  for (NodeId node : record.next_holders) {
    const bool good = !IsEvicted(node) && has_all(node);
    if (good) whole.push_back(node);
    complete = complete && (good || record.HasHolder(node));
  }
  // Those who were evicted since must not make it the weaker list.
  const uint32_t left = std::max(1u, Left(record.next_holders));
  complete = complete && left >= std::min(WriteQuorum(record), Left(record.holders));
  // Who stays may lack what those have who leave.
  complete = complete && AreEnough(record, whole, record.next_holders);
  complete = complete && (segment.owner || AllKnowWhatIsUnderWay(segment, claim, all.finished));
  // With every old holder evicted there is nothing else left.
  complete = complete || Left(record.holders) == 0;
  const std::vector<NodeId> everybody = record.Everybody();
  if (complete) record.holders = record.next_holders;
  record.next_holders.clear();
  record.next_epoch = Epoch();
  record.former_holders.clear();
  for (NodeId node : everybody) {
    if (!record.HasHolder(node) && !IsEvicted(node)) record.former_holders.push_back(node);
  }
  ++record.list_version;
  AddNote(complete ? "holders_changed" : "holders_kept", segment, {}, record.holders.size());
}

// The nodes of the proposed list that promised, of which every later claim meets
// one, know of each leg that may still get its dot from somebody else. What an
// owner proposes says so itself.
bool Replica::AllKnowWhatIsUnderWay(const Segment& segment, const ClaimState& claim,
                                    const SeqSet& finished) const {
  const auto lost_some = [](const auto& entry) { return entry.second.all_wait > Duration::zero(); };
  if (std::any_of(claim.promises.begin(), claim.promises.end(), lost_some)) return false;
  if (OwnLossWait() > Duration::zero()) return false;
  SeqSet known_here;
  for (const InFlight& leg : UnderWay(segment)) known_here.add(leg.seq.value());
  SeqSet all = known_here;
  std::map<NodeId, SeqSet> known;
  for (const auto& [from, promise] : claim.promises) {
    for (const InFlight& leg : promise.in_flight) known[from].add(leg.seq.value());
    all |= known[from];
  }
  all -= finished;
  for (const auto& [from, seqs] : known) {
    if (segment.record.Proposes(from) && !all.isSubset(seqs)) return false;
  }
  return true;
}

// How long every leg has to wait since this machine lost what it had heard.
Duration Replica::OwnLossWait() const {
  if (options_.machine_restarted_at == Instant{}) return Duration::zero();
  return options_.machine_restarted_at + options_.grace - now_;
}

// Views for all that have or had copies and are not evicted; what is known of
// them stays.
void Replica::RefreshViews(Segment& segment) {
  OwnerState& owner = *segment.owner;
  std::vector<HolderView> views;
  const auto add = [&](NodeId node, HolderView::Role role) {
    if (node == options_.self || IsEvicted(node)) return;
    HolderView* known = owner.Find(node);
    HolderView& view = views.emplace_back(known == nullptr ? HolderView{} : std::move(*known));
    view.node = node;
    view.role = role;
  };
  for (NodeId node : segment.record.holders) add(node, HolderView::Role::kHolder);
  for (NodeId node : segment.record.former_holders) add(node, HolderView::Role::kFormer);
  if (owner.repair) {
    for (NodeId node : owner.repair->holders) {
      const auto known = std::find_if(views.begin(), views.end(),
                                      [node](const HolderView& view) { return view.node == node; });
      if (known == views.end()) {
        add(node, HolderView::Role::kJoining);
      } else if (known->role == HolderView::Role::kFormer) {
        known->role = HolderView::Role::kJoining;
      }
    }
  }
  owner.holders = std::move(views);
}

// Legs that an earlier owner announced, and that may still get their dot from
// it, wait: out the grace, or until it shows a new boot or withdraws.
void Replica::TakeWaits(Segment& segment, const Promise& promise) {
  auto wait = [&](InFlight leg) {
    auto peer = peers_.find(leg.owner);
    const bool ourselves = leg.owner == options_.self;
    const uint32_t boot = ourselves ? options_.boot : peer == peers_.end() ? 0 : peer->second.boot;
    if (leg.wait <= Duration::zero() || boot > leg.owner_boot) return;
    if (Contains(segment.finished, leg.seq) || Contains(segment.aborted, leg.seq)) return;
    if (ourselves && boot == leg.owner_boot) return;  // our own attempt of the lower epoch ended
    InFlight& known = segment.owner->waits[leg.seq];
    if (known.epoch > leg.epoch) return;  // it began when this one was over
    if (known.epoch == leg.epoch && known.wait >= leg.wait) return;
    known = leg;
    // A promise of ours passes it on.
    Hear(segment, leg.seq, {leg.owner, leg.owner_boot, leg.epoch, now_ + leg.wait});
  };
  for (const InFlight& leg : promise.in_flight) wait(leg);
  Instant& all = segment.owner->all_wait_until;
  all = std::max(all, now_ + promise.all_wait);
}

void Replica::StartTenure(Segment& segment, const ClaimState& claim) {
  StopSurviving(segment);
  segment.owner = std::make_unique<OwnerState>();
  OwnerState& owner = *segment.owner;
  owner.tenure = next_tenure_++;
  RefreshViews(segment);
  for (uint32_t seq : segment.held) {
    if (segment.AllOutcomesStored(Seq(seq))) owner.done_here.add(seq);
  }
  Promise own;
  own.all_wait = OwnLossWait();
  own.in_flight = UnderWay(segment);
  TakeWaits(segment, own);
  for (const auto& [from, promise] : claim.promises) TakeWaits(segment, promise);
}

// The same owner at a later epoch: delivery goes on, and what is under way is
// announced anew, to the new list.
void Replica::RenewTenure(Segment& segment) {
  if (segment.writer) {
    AbortAllPending(segment);
    RefuseUploads(segment);
    segment.writer->closing = true;
  }
  OwnerState& owner = *segment.owner;
  if (owner.repair) owner.next_repair = now_ + random_.Jitter(kAfterAClaim, 0.5);
  owner.repair.reset();
  owner.close_sent = false;
  for (HolderView& view : owner.holders) view.lease_until = now_;
  RefreshViews(segment);
  for (auto& [seq, attempt] : owner.attempts) {
    attempt.cleared = false;
    AnnounceAttempt(segment, seq, attempt);
  }
}

// A draining node has put others in its place: they hear of it, and the first
// of them claims.
void Replica::HandOver(Segment& segment) {
  for (const HolderView& view : segment.owner->holders) {
    Heartbeat release;
    release.segments.push_back(segment.record);
    Tell(view.node, std::move(release));
  }
  AddNote("handed_over", segment, {}, segment.held.cardinality());
  LoseOwnership(segment);
}

}  // namespace fermo::cluster
