// A SpoolClient that keeps messages in memory and lets a test decide how each
// step ends and when. Used on the frontend's thread; a test on another thread
// looks only at the atomics and at taken copies.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/net/event.h"
#include "smtp-frontend/spool_client.h"

namespace fermo::frontend {

class MemorySpool final : public SpoolClient {
 public:
  struct Message {
    spool::Envelope envelope;
    std::string session_id;
    std::string content;
  };

  explicit MemorySpool(boost::asio::any_io_executor executor) : gate_(std::move(executor)) {
    gate_.Set();
  }

  std::atomic<int> begin_code{0};
  std::atomic<int> write_code{0};
  std::atomic<int> commit_code{0};
  std::atomic<bool> discard{false};  // keep only counts
  std::atomic<int> begun{0};
  std::atomic<int> writes{0};
  std::atomic<int> commits{0};
  std::atomic<int> abandoned{0};
  std::atomic<size_t> largest_chunk{0};

  // Writes and commits wait between Hold and LetGo. On the frontend's thread.
  void Hold() { gate_.Reset(); }
  void LetGo() { gate_.Set(); }

  std::vector<Message> messages() {
    std::lock_guard lock(mutex_);
    return messages_;
  }

  boost::asio::awaitable<absl::StatusOr<std::unique_ptr<SpoolUpload>>> Begin(
      spool::Envelope envelope, std::string session_id) override {
    if (begin_code != 0) co_return Status(begin_code);
    ++begun;
    Message message;
    message.envelope = std::move(envelope);
    message.session_id = std::move(session_id);
    std::unique_ptr<SpoolUpload> upload = std::make_unique<Upload>(this, std::move(message));
    co_return upload;
  }
  bool Ready() const override { return begin_code == 0; }

 private:
  static absl::Status Status(int code) {
    return absl::Status(static_cast<absl::StatusCode>(code), "as told");
  }

  class Upload final : public SpoolUpload {
   public:
    Upload(MemorySpool* spool, Message message) : spool_(spool), message_(std::move(message)) {}
    ~Upload() override { spool_->abandoned += !committed_; }

    boost::asio::awaitable<absl::Status> Write(std::string chunk) override {
      ++spool_->writes;
      Take(chunk);
      (void)co_await spool_->gate_.WaitFor(std::chrono::seconds(20));
      if (spool_->write_code != 0) co_return Status(spool_->write_code);
      co_return absl::OkStatus();
    }
    boost::asio::awaitable<absl::StatusOr<std::string>> Commit(std::string last_chunk) override {
      ++spool_->commits;
      committed_ = true;
      Take(last_chunk);
      (void)co_await spool_->gate_.WaitFor(std::chrono::seconds(20));
      if (spool_->commit_code != 0) co_return Status(spool_->commit_code);
      std::lock_guard lock(spool_->mutex_);
      if (!spool_->discard) spool_->messages_.push_back(std::move(message_));
      co_return absl::StrCat("id-", ++spool_->count_);
    }

   private:
    void Take(const std::string& chunk) {
      if (chunk.size() > spool_->largest_chunk) spool_->largest_chunk = chunk.size();
      if (!spool_->discard) message_.content += chunk;
    }
    MemorySpool* spool_;
    Message message_;
    bool committed_ = false;
  };

  net::Event gate_;
  std::mutex mutex_;
  std::vector<Message> messages_;
  int count_ = 0;
};

}  // namespace fermo::frontend
