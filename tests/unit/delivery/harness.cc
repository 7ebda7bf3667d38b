#include "tests/unit/delivery/harness.h"

#include <stdlib.h>

#include <boost/asio/post.hpp>
#include <filesystem>
#include <future>
#include <iostream>
#include <utility>

#include "node/delivery/sha256.h"

namespace fermo::node {

void TestOwnership::Announce(const MessageId& message, std::vector<uint32_t> legs,
                             std::function<void(AnnounceVerdict)> done) {
  EXPECT_FALSE(legs.empty());
  EXPECT_TRUE(running.insert(message).second) << "two attempts at once: " << ToString(message);
  ++announcements;
  if (hold_announcements) {
    held.push_back(std::move(done));
  } else {
    net::asio::post(executor_, [done = std::move(done)] { done(AnnounceVerdict::kCleared); });
  }
}

void TestOwnership::Finish(const MessageId& message, std::vector<spool::LegOutcome> finished) {
  EXPECT_EQ(running.erase(message), 1U);
  for (spool::LegOutcome& outcome : finished) {
    EXPECT_TRUE(outcomes.try_emplace({message, outcome.leg}, outcome).second)
        << "delivered twice: " << ToString(message);
  }
}

void TestOwnership::Decide(AnnounceVerdict verdict) {
  for (auto& done : std::exchange(held, {})) done(verdict);
}

DelivererTest::DelivererTest() {
  std::string pattern = (std::filesystem::temp_directory_path() / "fermo-delivery-XXXXXX").string();
  directory_ = mkdtemp(pattern.data());
  StoreOptions store_options;
  store_options.directory = directory_ + "/spool";
  store_options.on_fatal = [](const absl::Status& status) { ADD_FAILURE() << status; };
  auto store = SpoolStore::Open(std::move(store_options));
  EXPECT_TRUE(store.ok()) << store.status();
  store_ = *std::move(store);
  net::Resolver::Options resolver_options;
  resolver_options.servers = {HostPort{"127.0.0.1", 9}};
  auto resolver = net::Resolver::Create(io_.get_executor(), std::move(resolver_options));
  EXPECT_TRUE(resolver.ok()) << resolver.status();
  resolver_ = *std::move(resolver);
  options_.connection.helo_name = "node.test";
}

DelivererTest::~DelivererTest() {
  if (deliverer_ != nullptr) {
    bool drained = false;
    net::Spawn(io_.get_executor(), deliverer_->Drain(std::chrono::milliseconds(300)),
               [&drained](absl::Status) { drained = true; });
    ownership_.Decide(AnnounceVerdict::kStopped);
    EXPECT_TRUE(RunUntil([&drained] { return drained; }));
  }
  deliverer_.reset();
  if (HasFailure()) {
    for (const std::string& line : log_lines_) std::cerr << line << "\n";
  }
  store_.reset();
  std::filesystem::remove_all(directory_);
}

void DelivererTest::RouteTo(const std::string& domain, uint16_t port) {
  std::erase_if(snapshot_.domains, [&](const auto& known) { return known.name == domain; });
  snapshot_.domains.push_back({domain, {"127.0.0.1", port}});
  if (deliverer_ != nullptr) deliverer_->ApplySnapshot(snapshot_);
}

void DelivererTest::Start() {
  Logger log = Logger::ToSink(LogLevel::kInfo, "test",
                              [this](std::string_view line) { log_lines_.emplace_back(line); });
  deliverer_ = std::make_unique<Deliverer>(io_.get_executor(), options_, *store_, ownership_,
                                           *resolver_, std::move(log), metrics_);
  deliverer_->ApplySnapshot(snapshot_);
  deliverer_->Start();
}

MessageId DelivererTest::Put(const std::vector<std::string>& forward_paths,
                             const std::string& content) {
  const MessageId id = Store(forward_paths, content);
  deliverer_->Add(id, forward_paths, content.size(), WallNow());
  return id;
}

MessageId DelivererTest::Store(const std::vector<std::string>& forward_paths,
                               const std::string& content) {
  constexpr size_t kChunk = 256 * 1024;
  const MessageId id{segment_, Seq(next_seq_++)};
  spool::MessageRecord record;
  record.envelope.reverse_path = "sender@origin.test";
  record.envelope.forward_paths = forward_paths;
  record.received_at = WallNow();
  record.body = id.seq.value() + 100;
  record.size = content.size();
  Sha256 digest;
  digest.Update(content);
  record.digest = digest.Finish();
  std::vector<spool::WriteOp> ops;
  for (size_t at = 0; at < content.size(); at += kChunk) {
    ops.push_back(spool::PutChunk{segment_, record.body, record.chunks++,
                                  MakeBytes(content.substr(at, kChunk))});
  }
  ops.push_back(spool::PutMessage{id, MakeBytes(spool::Encode(record))});
  Write(std::move(ops));
  return id;
}

void DelivererTest::Write(std::vector<spool::WriteOp> ops) {
  std::promise<absl::Status> written;
  store_->Write(std::move(ops), spool::Durability::kSynced,
                [&written](const absl::Status& status) { written.set_value(status); });
  EXPECT_TRUE(written.get_future().get().ok());
}

bool DelivererTest::RunUntil(const std::function<bool()>& condition, Duration limit) {
  const Instant end = BootClock::now() + limit;
  while (!condition()) {
    if (BootClock::now() > end) return false;
    io_.restart();
    io_.run_one_for(std::chrono::milliseconds(5));
  }
  return true;
}

void DelivererTest::RunFor(Duration d) {
  RunUntil([] { return false; }, d);
}

bool DelivererTest::Delivered(const MessageId& id, uint32_t leg) const {
  const auto it = ownership_.outcomes.find({id, leg});
  return it != ownership_.outcomes.end() && it->second.outcome == spool::Outcome::kDelivered;
}

bool DelivererTest::Logged(const std::string& text) const {
  for (const std::string& line : log_lines_) {
    if (line.find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace fermo::node
