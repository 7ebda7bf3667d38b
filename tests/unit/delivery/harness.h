// A Deliverer at work: a real spool in a directory of its own, real sockets,
// and an ownership that grants what the test wants it to grant.
//
// One thread: the test's own, which runs the executor while it waits.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "node/delivery/deliverer.h"
#include "node/store/spool_store.h"
#include "tests/unit/delivery/scripted_primary.h"

namespace fermo::node {

inline const std::string kSmall = "Subject: small\r\n\r\nbody\r\n";

inline bool Is(const std::string& command, const std::string& verb) {
  return command.starts_with(verb);
}

// Grants everything at once unless told otherwise, and checks the order of calls.
class TestOwnership : public Ownership {
 public:
  explicit TestOwnership(net::Executor executor) : executor_(std::move(executor)) {}

  bool MayStart(const SegmentId& segment) const override {
    return may_start && !foreign.contains(segment);
  }
  void Announce(const MessageId& message, std::vector<uint32_t> legs,
                std::function<void(AnnounceVerdict)> done) override;
  bool MayFinish(const MessageId& message) const override {
    return may_finish && running.contains(message);
  }
  void Finish(const MessageId& message, std::vector<spool::LegOutcome> finished) override;

  // Answers all that wait.
  void Decide(AnnounceVerdict verdict);

  bool may_start = true;
  bool may_finish = true;
  bool hold_announcements = false;
  std::set<SegmentId> foreign;
  std::set<MessageId> running;
  size_t announcements = 0;
  std::vector<std::function<void(AnnounceVerdict)>> held;
  std::map<std::pair<MessageId, uint32_t>, spool::LegOutcome> outcomes;

 private:
  net::Executor executor_;
};

class DelivererTest : public testing::Test {
 protected:
  DelivererTest();
  ~DelivererTest() override;

  // Domain `domain` goes to this port of the loopback; call before or after Start.
  void RouteTo(const std::string& domain, uint16_t port);
  void Start();

  // Writes the message to the spool and gives it to the deliverer.
  MessageId Put(const std::vector<std::string>& forward_paths, const std::string& content);
  MessageId Store(const std::vector<std::string>& forward_paths, const std::string& content);
  void Write(std::vector<spool::WriteOp> ops);

  // Runs the executor until it is so; false when it isn't after `limit`.
  bool RunUntil(const std::function<bool()>& condition, Duration limit = std::chrono::seconds(20));
  void RunFor(Duration d);
  bool Delivered(const MessageId& id, uint32_t leg = 0) const;
  size_t delivered() const { return ownership_.outcomes.size(); }
  cluster::RouteState StateOfOnlyRoute() const { return deliverer_->Routes().at(0).state; }
  bool Logged(const std::string& text) const;

  DeliveryOptions options_;
  SegmentId segment_{NodeId(0xabc), 1, 1};
  net::asio::io_context io_;
  std::string directory_;
  std::unique_ptr<SpoolStore> store_;
  std::unique_ptr<net::Resolver> resolver_;
  net::Metrics metrics_{"test"};
  std::vector<std::string> log_lines_;
  TestOwnership ownership_{io_.get_executor()};
  std::unique_ptr<Deliverer> deliverer_;
  cluster::Snapshot snapshot_;
  uint32_t next_seq_ = 0;
};

}  // namespace fermo::node
