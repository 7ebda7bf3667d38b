#include "node/delivery/delivery_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace fermo::node {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;

const SegmentId kFirst{NodeId(1), 1, 1};
const SegmentId kSecond{NodeId(0), 9, 9};  // a lesser id, though it comes later

MessageId Id(const SegmentId& segment, uint32_t seq) { return {segment, Seq(seq)}; }
WallTime At(int64_t millis) { return WallTime(milliseconds(millis)); }
bool Always(const SegmentId&) { return true; }
LegResult Result(uint32_t leg, LegResult::Kind kind, const char* reply = "") {
  return {leg, kind, std::make_shared<const std::string>(reply)};
}

class DeliveryQueueTest : public testing::Test {
 protected:
  DeliveryQueueTest() {
    domains_.Assign(a_, domains_.InternRoute({"mail.a.test", 25}));
    domains_.Assign(b_, domains_.InternRoute({"mail.b.test", 25}));
    domains_.Assign(also_a_, route_a_);
  }
  void Add(const MessageId& id, const std::vector<DomainIndex>& domains, WallTime received = At(0),
           uint64_t size = 1000) {
    std::vector<LegEntry> legs;
    for (const DomainIndex domain : domains) legs.push_back({domain, false});
    queue_.Add(id, legs, size, received, now_, now_);
  }
  std::optional<TakenMessage> Take(RouteIndex route) { return queue_.Take(route, now_, Always); }
  void Release(const MessageId& id, const std::vector<LegResult>& results) {
    queue_.Release(id, results, now_);
  }
  void Pass(Duration d) {
    now_ += d;
    queue_.Advance(now_);
  }

  Rng rng_{7};
  DomainTable domains_;
  DomainIndex a_ = domains_.Intern("a.test");
  DomainIndex b_ = domains_.Intern("b.test");
  DomainIndex also_a_ = domains_.Intern("also-a.test");
  DomainIndex unrouted_ = domains_.Intern("unknown.test");
  RouteIndex route_a_ = 0;
  RouteIndex route_b_ = 1;
  Instant now_{seconds(1000)};
  DeliveryQueue queue_{QueueOptions(), domains_, rng_};
};

TEST_F(DeliveryQueueTest, GivesTheOldestFirstBySegmentThenSeq) {
  Add(Id(kFirst, 7), {a_}, At(100));
  Add(Id(kFirst, 3), {a_}, At(90));
  Add(Id(kSecond, 0), {a_}, At(200));
  Add(Id(kFirst, 400), {also_a_}, At(300));
  std::vector<MessageId> order;
  while (const auto taken = Take(route_a_)) order.push_back(taken->id);
  EXPECT_THAT(order, ElementsAre(Id(kFirst, 3), Id(kFirst, 7), Id(kFirst, 400), Id(kSecond, 0)));
}

TEST_F(DeliveryQueueTest, CarriesAllLegsOfAMessageThatShareTheRoute) {
  Add(Id(kFirst, 0), {a_, b_, also_a_, a_});
  const auto taken = Take(route_a_);
  ASSERT_TRUE(taken);
  EXPECT_THAT(taken->legs, ElementsAre(0, 2, 3));
}

TEST_F(DeliveryQueueTest, RunsOneAttemptPerMessageAtATimeWhateverTheRoute) {
  Add(Id(kFirst, 0), {a_, b_});
  ASSERT_TRUE(Take(route_a_));
  EXPECT_FALSE(Take(route_b_));
  Release(Id(kFirst, 0), {Result(0, LegResult::Kind::kDone)});
  EXPECT_FALSE(Take(route_a_));
  const auto taken = Take(route_b_);
  ASSERT_TRUE(taken);
  EXPECT_THAT(taken->legs, ElementsAre(1));
}

TEST_F(DeliveryQueueTest, TakesAtMostAHundredLegsAtOnce) {
  Add(Id(kFirst, 0), std::vector<DomainIndex>(250, a_));
  size_t legs = 0;
  for (const size_t expected : {100, 100, 50}) {
    const auto taken = Take(route_a_);
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->legs.size(), expected);
    legs += taken->legs.size();
    std::vector<LegResult> results;
    for (const uint32_t leg : taken->legs) results.push_back(Result(leg, LegResult::Kind::kDone));
    Release(taken->id, results);
    EXPECT_EQ(queue_.CountsOf(a_).legs, 250 - legs);
  }
  EXPECT_EQ(queue_.Totals().messages, 0U);
}

TEST_F(DeliveryQueueTest, SkipsSegmentsThatAreNotPermitted) {
  Add(Id(kFirst, 0), {a_}, At(1));
  Add(Id(kSecond, 0), {a_}, At(2));
  const auto permitted = [](const SegmentId& segment) { return segment == kSecond; };
  EXPECT_EQ(queue_.CountReady(route_a_, 10, permitted), 1U);
  const auto taken = queue_.Take(route_a_, now_, permitted);
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->id, Id(kSecond, 0));
  EXPECT_FALSE(queue_.Take(route_a_, now_, permitted));
  EXPECT_TRUE(queue_.HasReady(route_a_));
}

TEST_F(DeliveryQueueTest, CountsLegsMessagesBytesAndTheOldestExactly) {
  Add(Id(kFirst, 0), {a_, a_, b_}, At(50), 500);
  Add(Id(kFirst, 1), {a_}, At(60), 70);
  EXPECT_EQ(queue_.CountsOf(a_).legs, 3U);
  EXPECT_EQ(queue_.CountsOf(a_).messages, 2U);
  EXPECT_EQ(queue_.CountsOf(a_).bytes, 570U);
  EXPECT_EQ(queue_.CountsOf(a_).oldest, At(50));
  EXPECT_EQ(queue_.CountsOf(b_).bytes, 500U);
  EXPECT_EQ(queue_.Totals().legs, 4U);
  EXPECT_EQ(queue_.Totals().messages, 2U);
  EXPECT_EQ(queue_.Totals().bytes, 570U);
  EXPECT_EQ(queue_.WaitingLegs(route_a_), 3U);
  queue_.LegsDone(Id(kFirst, 0), {0, 1, 1, 77}, now_);  // repeated and impossible legs do no harm
  EXPECT_EQ(queue_.CountsOf(a_).legs, 1U);
  EXPECT_EQ(queue_.CountsOf(a_).messages, 1U);
  EXPECT_EQ(queue_.CountsOf(a_).oldest, At(60));
  EXPECT_EQ(queue_.Totals().oldest, At(50));
  queue_.LegsDone(Id(kFirst, 0), {2}, now_);
  EXPECT_EQ(queue_.Totals().messages, 1U);
  EXPECT_EQ(queue_.CountsOf(b_).legs, 0U);
  EXPECT_FALSE(queue_.CountsOf(b_).oldest);
}

TEST_F(DeliveryQueueTest, IgnoresAMessageThatItKnowsOrThatIsDone) {
  Add(Id(kFirst, 0), {a_});
  Add(Id(kFirst, 0), {a_, b_});
  queue_.Add(Id(kFirst, 1), {{a_, true}}, 10, At(0), now_, now_);
  EXPECT_EQ(queue_.Totals().legs, 1U);
}

TEST_F(DeliveryQueueTest, LeavesOutLegsThatWereDoneBefore) {
  queue_.Add(Id(kFirst, 0), {{a_, true}, {a_, false}}, 10, At(0), now_, now_);
  const auto taken = Take(route_a_);
  ASSERT_TRUE(taken);
  EXPECT_THAT(taken->legs, ElementsAre(1));
}

TEST_F(DeliveryQueueTest, WaitsOutTheGraceOfAnEarlierOwner) {
  queue_.Add(Id(kFirst, 0), {{a_, false}}, 10, At(0), now_ + minutes(10), now_);
  EXPECT_FALSE(Take(route_a_));
  EXPECT_EQ(queue_.Advance(now_), now_ + minutes(10));
  Pass(minutes(10) - seconds(1));
  EXPECT_FALSE(Take(route_a_));
  Pass(seconds(1));
  EXPECT_TRUE(Take(route_a_));
}

TEST_F(DeliveryQueueTest, BacksOffARefusedLegFromOneToThirtyMinutes) {
  Add(Id(kFirst, 0), {a_});
  Duration least = minutes(1);
  for (int i = 1; i <= 8; ++i) {
    ASSERT_TRUE(Take(route_a_)) << i;
    Release(Id(kFirst, 0), {Result(0, LegResult::Kind::kDeferred, "450 4.2.1 greylisted")});
    EXPECT_EQ(queue_.Deferred().messages, 1U);
    const Instant due = queue_.Advance(now_);
    EXPECT_GE(due - now_, least * 3 / 4);
    EXPECT_LE(due - now_, least);
    EXPECT_FALSE(Take(route_a_));
    Pass(due - now_);
    least = std::min<Duration>(least * 2, minutes(30));
  }
  const auto message = queue_.Find(Id(kFirst, 0));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->legs[0].attempts, 8U);
  EXPECT_EQ(message->legs[0].last_reply, "450 4.2.1 greylisted");
}

TEST_F(DeliveryQueueTest, ReturnsLegsThatFailedTogetherTogether) {
  Add(Id(kFirst, 0), {a_, a_, a_});
  ASSERT_TRUE(Take(route_a_));
  Release(Id(kFirst, 0), {Result(0, LegResult::Kind::kDeferred), Result(1, LegResult::Kind::kDone),
                          Result(2, LegResult::Kind::kDeferred)});
  Pass(queue_.Advance(now_) - now_);
  const auto taken = Take(route_a_);
  ASSERT_TRUE(taken);
  EXPECT_THAT(taken->legs, ElementsAre(0, 2));
}

TEST_F(DeliveryQueueTest, LetsABrokenConnectionCostTheMessageNothingAtFirst) {
  Add(Id(kFirst, 0), {a_});
  ASSERT_TRUE(Take(route_a_));
  Release(Id(kFirst, 0), {Result(0, LegResult::Kind::kBroken)});
  ASSERT_TRUE(Take(route_a_)) << "the route decides when";
  Release(Id(kFirst, 0), {Result(0, LegResult::Kind::kBroken)});
  EXPECT_FALSE(Take(route_a_)) << "it may be this message that breaks them";
  Pass(seconds(1));
  EXPECT_TRUE(Take(route_a_));
}

TEST_F(DeliveryQueueTest, PausesAMessageWhoseAttemptWasNotPermitted) {
  Add(Id(kFirst, 0), {a_});
  ASSERT_TRUE(Take(route_a_));
  Release(Id(kFirst, 0), {{0, LegResult::Kind::kBlocked, nullptr}});
  EXPECT_FALSE(Take(route_a_));
  Pass(seconds(1));
  EXPECT_TRUE(Take(route_a_));
  EXPECT_EQ(queue_.Find(Id(kFirst, 0))->legs[0].attempts, 0U);
}

TEST_F(DeliveryQueueTest, ForgetsADroppedSegmentAndAllItsCounts) {
  Add(Id(kFirst, 0), {a_, b_}, At(1));
  Add(Id(kFirst, 300), {a_}, At(2));
  Add(Id(kSecond, 0), {a_}, At(3));
  ASSERT_TRUE(Take(route_a_));
  Release(Id(kFirst, 0), {Result(0, LegResult::Kind::kDeferred)});
  ASSERT_TRUE(Take(route_a_));  // 300 is in flight
  queue_.DropSegment(kFirst);
  EXPECT_EQ(queue_.Totals().messages, 1U);
  EXPECT_EQ(queue_.Totals().bytes, 1000U);
  EXPECT_EQ(queue_.CountsOf(b_).legs, 0U);
  EXPECT_EQ(queue_.InFlight().messages, 0U);
  EXPECT_EQ(queue_.Deferred().messages, 0U);
  EXPECT_EQ(queue_.Advance(now_), Instant::max());
  EXPECT_EQ(Take(route_a_)->id, Id(kSecond, 0));
}

TEST_F(DeliveryQueueTest, NeverTriesAMessageTwiceAtOnceThoughItsSegmentCameBack) {
  Add(Id(kFirst, 0), {a_});
  ASSERT_TRUE(Take(route_a_));
  queue_.DropSegment(kFirst);
  Add(Id(kFirst, 0), {a_});
  EXPECT_FALSE(Take(route_a_));
  EXPECT_EQ(queue_.InFlight().messages, 1U);
  Release(Id(kFirst, 0), {Result(0, LegResult::Kind::kBroken)});
  EXPECT_EQ(queue_.InFlight().messages, 0U);
  EXPECT_TRUE(Take(route_a_));
}

TEST_F(DeliveryQueueTest, MovesADomainsMailToItsNewRoute) {
  Add(Id(kFirst, 0), {a_});
  Add(Id(kFirst, 1), {also_a_});
  Add(Id(kFirst, 2), {a_, also_a_});
  queue_.Reroute(a_, route_b_, now_);
  EXPECT_EQ(queue_.WaitingLegs(route_a_), 2U);
  EXPECT_EQ(queue_.WaitingLegs(route_b_), 2U);
  EXPECT_EQ(Take(route_b_)->id, Id(kFirst, 0));
  EXPECT_EQ(Take(route_a_)->id, Id(kFirst, 1));
  const auto shared = Take(route_b_);
  ASSERT_TRUE(shared);
  EXPECT_EQ(shared->id, Id(kFirst, 2));
  EXPECT_THAT(shared->legs, ElementsAre(0));
}

TEST_F(DeliveryQueueTest, KeepsMailOfADomainThatHasNoRoute) {
  Add(Id(kFirst, 0), {unrouted_});
  EXPECT_EQ(queue_.CountsOf(unrouted_).messages, 1U);
  EXPECT_EQ(queue_.WaitingLegs(kNoRoute), 1U);
  queue_.Reroute(unrouted_, route_b_, now_);
  EXPECT_TRUE(Take(route_b_));
  Release(Id(kFirst, 0), {Result(0, LegResult::Kind::kBroken)});
  queue_.Reroute(unrouted_, kNoRoute, now_);
  EXPECT_FALSE(queue_.HasReady(route_b_));
  EXPECT_EQ(queue_.WaitingLegs(route_b_), 0U);
  EXPECT_EQ(queue_.Totals().messages, 1U);
}

TEST_F(DeliveryQueueTest, NamesTheRoutesThatGainedOrLostWork) {
  Add(Id(kFirst, 0), {a_});
  EXPECT_THAT(queue_.TakeTouchedRoutes(), ElementsAre(route_a_));
  EXPECT_THAT(queue_.TakeTouchedRoutes(), ElementsAre());
  ASSERT_TRUE(Take(route_a_));
  EXPECT_THAT(queue_.TakeTouchedRoutes(), ElementsAre());
  Release(Id(kFirst, 0), {Result(0, LegResult::Kind::kDone)});
  EXPECT_THAT(queue_.TakeTouchedRoutes(), ElementsAre(route_a_));
}

TEST_F(DeliveryQueueTest, ListsPageByPageInOrderOfIds) {
  for (const uint32_t seq : {0, 1, 255, 256, 1000}) Add(Id(kFirst, seq), {a_});
  Add(Id(kFirst, 2), {b_});
  Add(Id(kSecond, 5), {a_, b_});
  std::vector<MessageId> seen;
  std::optional<MessageId> after;
  while (true) {
    const auto page = queue_.List(a_, after, 2);
    if (page.empty()) break;
    for (const auto& message : page) seen.push_back(message.id);
    after = seen.back();
  }
  EXPECT_THAT(seen, ElementsAre(Id(kSecond, 5), Id(kFirst, 0), Id(kFirst, 1), Id(kFirst, 255),
                                Id(kFirst, 256), Id(kFirst, 1000)));
  EXPECT_EQ(queue_.List(std::nullopt, std::nullopt, 100).size(), 7U);
  EXPECT_EQ(queue_.List(b_, std::nullopt, 100).size(), 2U);
}

TEST_F(DeliveryQueueTest, TellsTheStateOfEachLeg) {
  Add(Id(kFirst, 0), {a_, b_, a_});
  queue_.LegsDone(Id(kFirst, 0), {2}, now_);
  ASSERT_TRUE(Take(route_a_));
  const auto message = queue_.Find(Id(kFirst, 0));
  ASSERT_TRUE(message);
  ASSERT_EQ(message->legs.size(), 3U);
  EXPECT_EQ(message->legs[0].state, WaitingLeg::State::kInFlight);
  EXPECT_EQ(message->legs[1].state, WaitingLeg::State::kWaiting);
  EXPECT_EQ(message->legs[2].state, WaitingLeg::State::kDone);
  EXPECT_FALSE(queue_.Find(Id(kFirst, 1)));
}

// The counts after any history equal those of a recount.
TEST_F(DeliveryQueueTest, CountsStayExactThroughARandomHistory) {
  Rng dice(20);
  const std::vector<DomainIndex> all = {a_, b_, also_a_, unrouted_};
  std::set<MessageId> in_flight;
  for (int i = 0; i < 20000; ++i) {
    const SegmentId& segment = dice.Uniform(2) == 0 ? kFirst : kSecond;
    const MessageId id = Id(segment, static_cast<uint32_t>(dice.Uniform(600)));
    const uint64_t what = dice.Uniform(100);
    if (what < 40) {
      std::vector<DomainIndex> domains(1 + dice.Uniform(3));
      for (DomainIndex& domain : domains) domain = all[dice.Uniform(4)];
      Add(id, domains, At(i), 1 + dice.Uniform(1000));
    } else if (what < 60) {
      if (const auto taken = Take(static_cast<RouteIndex>(dice.Uniform(2)))) {
        in_flight.insert(taken->id);
      }
    } else if (what < 80 && !in_flight.empty()) {
      const auto kind = static_cast<LegResult::Kind>(dice.Uniform(5));
      const MessageId done = *in_flight.begin();
      in_flight.erase(in_flight.begin());
      Release(done, {Result(0, kind), Result(1, LegResult::Kind::kDone)});
    } else if (what < 95) {
      queue_.LegsDone(id, {static_cast<uint32_t>(dice.Uniform(3))}, now_);
    } else if (what < 96) {
      queue_.Reroute(all[dice.Uniform(4)],
                     dice.Uniform(3) == 2 ? kNoRoute : RouteIndex(dice.Uniform(2)), now_);
    } else if (what < 97) {
      queue_.DropSegment(segment);
    } else {
      Pass(seconds(10));
    }
  }
  QueueCounts recount;
  std::map<DomainIndex, uint64_t> bytes;
  uint64_t flying = 0;
  for (const auto& message : queue_.List(std::nullopt, std::nullopt, 100000)) {
    ++recount.messages;
    recount.bytes += message.bytes;
    flying += in_flight.contains(message.id) ? 1 : 0;
    for (const auto& leg : message.legs) recount.legs += leg.state != WaitingLeg::State::kDone;
  }
  for (const DomainIndex domain : all) {
    for (const auto& message : queue_.List(domain, std::nullopt, 100000)) {
      bytes[domain] += message.bytes;
    }
    EXPECT_EQ(queue_.CountsOf(domain).bytes, bytes[domain]);
    EXPECT_EQ(queue_.CountsOf(domain).messages, queue_.List(domain, std::nullopt, 100000).size());
  }
  EXPECT_GT(recount.messages, 0U);
  EXPECT_EQ(queue_.Totals().messages, recount.messages);
  EXPECT_EQ(queue_.Totals().bytes, recount.bytes);
  EXPECT_EQ(queue_.Totals().legs, recount.legs);
  EXPECT_EQ(queue_.InFlight().messages, flying);
  queue_.DropSegment(kFirst);
  queue_.DropSegment(kSecond);
  EXPECT_EQ(queue_.Totals().legs, 0U);
  EXPECT_EQ(queue_.Totals().bytes, 0U);
  EXPECT_EQ(queue_.InFlight().bytes, 0U);
  EXPECT_EQ(queue_.Deferred().bytes, 0U);
  EXPECT_FALSE(queue_.HasReady(route_a_) || queue_.HasReady(route_b_));
}

}  // namespace
}  // namespace fermo::node
