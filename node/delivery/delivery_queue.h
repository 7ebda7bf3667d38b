// Which messages wait for which route, and which of them may go now.
//
// A pure data structure in memory, rebuilt by its owner at start; one thread,
// no clock (time is passed in), no I/O. A message costs its bits in two
// bitmaps and twelve octets; only messages in flight or backing off cost more.
// Nothing fails: what isn't known is ignored, so that news which comes twice or
// late does no harm.
//
// Order within a route: segments by the received time of the first message
// that was added, then seqs ascending. One attempt per message at a time, over
// all its routes, since that is what an announcement covers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lib/base/ids.h"
#include "lib/base/random.h"
#include "lib/base/time.h"
#include "node/delivery/domain_table.h"
#include "node/delivery/message_table.h"
#include "roaring/roaring.hh"

namespace fermo::node {

struct QueueOptions {
  uint32_t max_legs = 100;                         // in one transaction, RFC 5321 4.5.3.1.8
  Duration retry_first = std::chrono::minutes(1);  // after a message-level refusal
  Duration retry_max = std::chrono::minutes(30);
  Duration broken_first = std::chrono::seconds(1);   // after the second broken connection
  Duration blocked_pause = std::chrono::seconds(1);  // after an attempt that was not permitted
};

struct QueueCounts {
  uint64_t legs = 0;      // without an outcome
  uint64_t messages = 0;  // with such a leg
  uint64_t bytes = 0;     // of those messages
  // Of the first message of each segment, the least; nullopt when empty. A
  // neighbour that came with it may be older by the time its upload took.
  std::optional<WallTime> oldest;
};

// How one leg of an attempt ended, for the queue.
struct LegResult {
  enum class Kind {
    kDone,      // it has an outcome
    kDeferred,  // the primary refused for now: back off
    kBroken,    // the connection broke: the first time at once, then back off from a second
    kAgain,     // not tried: at once
    kBlocked,   // not permitted to go on: after a pause
  };
  uint32_t leg = 0;
  Kind kind = Kind::kAgain;
  std::shared_ptr<const std::string> reply;  // last reply or reason; null: keep the former one
};

struct TakenMessage {
  MessageId id;
  std::vector<uint32_t> legs;  // ascending
  WallTime received_at{};
};

struct WaitingLeg {
  uint32_t leg = 0;
  enum class State { kDone, kWaiting, kInFlight } state = State::kWaiting;
  uint32_t attempts = 0;
  std::string last_reply;
  std::optional<Instant> next_attempt;  // nullopt: as soon as the route allows
};
struct WaitingMessage {
  MessageId id;
  uint64_t bytes = 0;
  WallTime received_at{};
  std::vector<WaitingLeg> legs;  // all legs of the message
};

class DeliveryQueue {
 public:
  // `domains` and `rng` outlive the queue.
  DeliveryQueue(QueueOptions options, DomainTable& domains, Rng& rng)
      : options_(options), domains_(domains), rng_(rng) {}

  // Legs by position; those already done have an outcome elsewhere. A message
  // without a leg left is ignored; one that is known and was not tried yet may
  // go at the earlier of the two times.
  void Add(const MessageId& id, std::vector<LegEntry> legs, uint64_t size, WallTime received_at,
           Instant not_before, Instant now);
  void LegsDone(const MessageId& id, const std::vector<uint32_t>& legs, Instant now);
  // Forgets the segment's messages. Attempts in flight stay known until
  // Release, so that a message added again isn't tried twice at once.
  void DropSegment(const SegmentId& segment);
  // The domain's mail goes to another route, or nowhere (kNoRoute).
  void Reroute(DomainIndex domain, RouteIndex route, Instant now);

  // The oldest message for the route that may go, in segments that `permitted`
  // lets through; it is in flight until Release.
  std::optional<TakenMessage> Take(RouteIndex route, Instant now,
                                   const std::function<bool(const SegmentId&)>& permitted);
  void Release(const MessageId& id, const std::vector<LegResult>& results, Instant now);

  // Routes for which something may have become ready, or whose last leg may have
  // gone, since the last call.
  std::vector<RouteIndex> TakeTouchedRoutes();

  // Makes ready what is due. Returns when the next is due; Instant::max(): nothing.
  Instant Advance(Instant now);

  // How many messages Take would find one after the other; counting stops at `limit`.
  size_t CountReady(RouteIndex route, size_t limit,
                    const std::function<bool(const SegmentId&)>& permitted) const;
  bool HasReady(RouteIndex route) const;         // permitted or not
  uint64_t WaitingLegs(RouteIndex route) const;  // in whatever state; kNoRoute is allowed

  QueueCounts Totals() const;
  QueueCounts CountsOf(DomainIndex domain) const;
  struct StateCounts {
    uint64_t messages = 0;
    uint64_t bytes = 0;
  };
  StateCounts InFlight() const { return in_flight_counts_; }
  StateCounts Deferred() const { return deferred_counts_; }

  // Messages with a waiting leg (in the domain, if named) in order of their
  // ids, after `after`, at most `limit`.
  std::vector<WaitingMessage> List(std::optional<DomainIndex> domain,
                                   std::optional<MessageId> after, size_t limit) const;
  // The state of one message; nullopt when nothing of it waits here.
  std::optional<WaitingMessage> Find(const MessageId& id) const;

 private:
  using Bitmap = ::Roaring;
  struct SegmentKey {  // order of segments in a route
    WallTime first_received{};
    SegmentId id;
    auto operator<=>(const SegmentKey&) const = default;
  };
  struct Segment {
    WallTime first_received{};
    MessageTable messages;
  };
  struct DomainQueue {
    std::map<SegmentId, Bitmap> waiting;
    uint64_t legs = 0;
    uint64_t messages = 0;
    uint64_t bytes = 0;
  };
  struct RouteQueue {
    std::map<SegmentKey, Bitmap> ready;
    uint64_t legs = 0;
    bool touched = false;
  };
  struct LegHistory {  // of a leg that has been tried, or must wait
    uint32_t leg = 0;
    uint32_t attempts = 0;
    uint32_t refusals = 0;
    uint32_t breaks = 0;
    std::optional<Instant> next_attempt;
    std::shared_ptr<const std::string> reply;
  };
  struct History {
    std::vector<LegHistory> legs;
    std::optional<Instant> scheduled;  // its entry in due_
  };

  const Segment* FindSegment(const MessageId& id) const;  // null unless the message is known
  DomainQueue& DomainAt(DomainIndex domain);
  RouteQueue& RouteAt(RouteIndex route);
  void AddRouteLegs(RouteIndex route, int64_t legs);
  void Hasten(const MessageId& id, Instant not_before, Instant now);
  void Touch(RouteIndex route);
  const LegHistory* FindHistory(const MessageId& id, uint32_t leg) const;
  LegHistory& HistoryOf(const MessageId& id, uint32_t leg);
  std::vector<uint32_t> DueLegs(const Segment& segment, const MessageId& id, RouteIndex route,
                                Instant now) const;

  void Refresh(const MessageId& id, Instant now);
  void SetReady(const SegmentKey& key, uint32_t seq, RouteIndex route, bool ready);
  void Schedule(const MessageId& id, std::optional<Instant> when);
  void ApplyResult(const MessageId& id, const LegResult& result, Rng rng, Instant now);
  void MarkDone(const MessageId& id, const std::vector<uint32_t>& done);
  void Remove(const MessageId& id, const std::vector<LegEntry>& legs);
  void Count(const MessageId& id, DomainIndex domain, uint64_t size);
  void Uncount(const MessageId& id, DomainIndex domain, uint64_t size, bool last_leg);
  std::optional<uint32_t> NextWaiting(const std::pair<const SegmentId, Segment>& segment,
                                      std::optional<DomainIndex> domain, uint32_t from) const;
  WaitingMessage Describe(const Segment& segment, const MessageId& id) const;

  QueueOptions options_;
  DomainTable& domains_;
  Rng& rng_;
  std::map<SegmentId, Segment> segments_;
  std::vector<DomainQueue> domain_queues_;
  std::vector<RouteQueue> route_queues_;
  std::vector<RouteIndex> touched_;
  absl::flat_hash_map<MessageId, std::vector<uint32_t>> in_flight_;  // legs of the attempt
  absl::flat_hash_map<MessageId, History> histories_;
  std::set<std::pair<Instant, MessageId>> due_;
  uint64_t messages_ = 0;
  uint64_t bytes_ = 0;
  uint64_t legs_ = 0;
  uint64_t legs_without_route_ = 0;
  StateCounts in_flight_counts_;
  StateCounts deferred_counts_;
};

}  // namespace fermo::node
