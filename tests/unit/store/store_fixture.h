// A spool in a directory of its own, and short ways to write to it.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "node/store/spool_store.h"

namespace fermo::node {

inline const SegmentId kSegment{NodeId(0x5f3a9c0e12b47d68), 3, 1};

inline absl::Status WriteAndWait(SpoolStore& store, std::vector<spool::WriteOp> ops,
                                 spool::Durability durability = spool::Durability::kSynced) {
  auto written = std::make_shared<std::promise<absl::Status>>();
  store.Write(std::move(ops), durability,
              [written](const absl::Status& status) { written->set_value(status); });
  return written->get_future().get();
}

inline spool::PutMessage Message(const SegmentId& segment, uint32_t seq, std::string record) {
  return {{segment, Seq(seq)}, MakeBytes(std::move(record))};
}

// A record as frontends bring it: one chunk, its body numbered by its seq.
inline spool::PutMessage Mail(const SegmentId& segment, uint32_t seq,
                              std::vector<std::string> forward_paths) {
  spool::MessageRecord record;
  record.envelope.reverse_path = "anna@sender.test";
  record.envelope.forward_paths = std::move(forward_paths);
  record.body = seq;
  record.chunks = 1;
  return Message(segment, seq, spool::Encode(record));
}

inline spool::PutOutcome OutcomeOf(const SegmentId& segment, uint32_t seq, uint32_t leg,
                                   spool::Outcome outcome) {
  spool::LegOutcome row;
  row.seq = Seq(seq);
  row.leg = leg;
  row.outcome = outcome;
  row.epoch = Epoch(2);
  row.node = NodeId(7);
  row.reply = "250 2.0.0 Ok";
  return {segment, row};
}

inline spool::PutChunk Chunk(const SegmentId& segment, uint32_t body, uint32_t index,
                             std::string octets) {
  return {segment, body, index, MakeBytes(std::move(octets))};
}

class TempDirectory {
 public:
  TempDirectory() {
    std::string shape = testing::TempDir() + "/fermo-store-XXXXXX";
    path_ = mkdtemp(shape.data());
  }
  ~TempDirectory() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class StoreTest : public testing::Test {
 protected:
  void Open() {
    store_.reset();
    StoreOptions options;
    options.directory = directory_.path();
    options.on_fatal = [this](const absl::Status& reason) {
      ++fatal_calls_;
      fatal_ = reason;
    };
    auto store = SpoolStore::Open(std::move(options));
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  void SetUp() override { Open(); }

  absl::Status Write(std::vector<spool::WriteOp> ops) {
    return WriteAndWait(*store_, std::move(ops));
  }

  std::vector<StoredMessage> Messages(const SegmentId& segment, uint32_t from = 0) {
    std::vector<StoredMessage> found;
    absl::Status status = store_->ScanMessages(segment, Seq(from), [&](const StoredMessage& one) {
      found.push_back(one);
      return true;
    });
    EXPECT_TRUE(status.ok()) << status;
    return found;
  }

  std::vector<AuditedSlot> Audited(const SegmentId& segment, uint32_t from, uint32_t end) {
    std::vector<AuditedSlot> found;
    const auto take = [&found](const AuditedSlot& one) {
      found.push_back(one);
      return true;
    };
    absl::Status status = store_->ScanForAudit(segment, Seq(from), Seq(end), take);
    EXPECT_TRUE(status.ok()) << status;
    return found;
  }

  std::vector<spool::LegOutcome> Outcomes(const SegmentId& segment) {
    std::vector<spool::LegOutcome> found;
    absl::Status status = store_->ScanOutcomes(segment, [&](const spool::LegOutcome& one) {
      found.push_back(one);
      return true;
    });
    EXPECT_TRUE(status.ok()) << status;
    return found;
  }

  TempDirectory directory_;
  std::atomic<int> fatal_calls_{0};
  absl::Status fatal_;
  std::unique_ptr<SpoolStore> store_;
};

}  // namespace fermo::node
