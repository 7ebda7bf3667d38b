#include "coordinator/store/watch_dispatcher.h"

#include <utility>

#include "fmt/format.h"

namespace fermo::coordinator {
namespace {

constexpr size_t kBatchChanges = 64;

}  // namespace

class WatchDispatcher::Handle : public Watch {
 public:
  Handle(WatchDispatcher* dispatcher, Subscriptions::iterator subscription)
      : dispatcher_(dispatcher), subscription_(subscription) {}
  ~Handle() override { dispatcher_->Stop(subscription_); }

 private:
  WatchDispatcher* dispatcher_;
  Subscriptions::iterator subscription_;
};

WatchDispatcher::WatchDispatcher(uint64_t revision, size_t capacity) : log_(revision, capacity) {
  thread_ = std::thread(&WatchDispatcher::Run, this);
}

WatchDispatcher::~WatchDispatcher() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void WatchDispatcher::Append(Change change) {
  absl::MutexLock lock(&mutex_);
  log_.Append(std::move(change));
}

uint64_t WatchDispatcher::last_revision() const {
  absl::MutexLock lock(&mutex_);
  return log_.last_revision();
}

std::unique_ptr<Watch> WatchDispatcher::Start(std::string_view prefix, uint64_t from_revision,
                                              ControlStore::WatchCallback callback) {
  auto shared = std::make_shared<const ControlStore::WatchCallback>(std::move(callback));
  absl::MutexLock lock(&mutex_);
  Subscription subscription{std::string(prefix), from_revision, std::move(shared)};
  subscriptions_.push_back(std::move(subscription));
  return std::make_unique<Handle>(this, std::prev(subscriptions_.end()));
}

void WatchDispatcher::Run() {
  absl::MutexLock lock(&mutex_);
  while (true) {
    mutex_.Await(absl::Condition(this, &WatchDispatcher::HasWork));
    if (stopping_) return;
    ServeOne(FindDue());
  }
}

bool WatchDispatcher::HasWork() const {
  if (stopping_) return true;
  for (const Subscription& subscription : subscriptions_) {
    if (subscription.callback && subscription.next_revision <= log_.last_revision()) return true;
  }
  return false;
}

WatchDispatcher::Subscriptions::iterator WatchDispatcher::FindDue() {
  auto it = subscriptions_.begin();
  while (!it->callback || it->next_revision > log_.last_revision()) ++it;
  return it;
}

void WatchDispatcher::ServeOne(Subscriptions::iterator subscription) {
  uint64_t next = 0;
  auto changes = log_.Read(subscription->prefix, subscription->next_revision, kBatchChanges, &next);
  // A copy keeps the function alive when its own watch is destroyed in it.
  const auto callback = subscription->callback;
  absl::StatusOr<std::vector<Change>> answer = std::vector<Change>();
  if (changes) {
    subscription->next_revision = next;
    if (changes->empty()) return;
    answer = *std::move(changes);
  } else {
    answer = absl::OutOfRangeError(
        fmt::format("revision {} is no longer kept, the oldest is {}; read all keys again",
                    subscription->next_revision, log_.first_revision()));
    subscription->callback = nullptr;
  }
  running_ = &*subscription;
  // To the end, so that a busy watch does not starve the others.
  subscriptions_.splice(subscriptions_.end(), subscriptions_, subscription);
  mutex_.Unlock();
  (*callback)(std::move(answer));
  mutex_.Lock();
  running_ = nullptr;
}

void WatchDispatcher::Stop(Subscriptions::iterator subscription) {
  absl::MutexLock lock(&mutex_);
  const Subscription* stopped = &*subscription;
  if (std::this_thread::get_id() != thread_.get_id()) {
    auto not_running = [this, stopped]()
                           ABSL_NO_THREAD_SAFETY_ANALYSIS { return running_ != stopped; };
    subscription->callback = nullptr;
    mutex_.Await(absl::Condition(&not_running));
  }
  subscriptions_.erase(subscription);
}

}  // namespace fermo::coordinator
