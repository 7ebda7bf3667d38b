#include "coordinator/membership/config_store.h"

#include <utility>

#include "absl/time/time.h"
#include "fmt/format.h"

namespace fermo::coordinator {
namespace {

constexpr size_t kPageKeys = 1000;
constexpr int kLoadAttempts = 100;
constexpr int kWriteAttempts = 10;
// How long a writer waits for its own change to come back by the watch.
constexpr absl::Duration kOwnChangeLimit = absl::Seconds(5);

absl::Status NoSuchMember(NodeId node) {
  return absl::NotFoundError(
      fmt::format("node {} is no member; `fermoctl node list` shows all", ToString(node)));
}

}  // namespace

ConfigStore::ConfigStore(ControlStore& store, ConfigStoreOptions options)
    : store_(store), options_(std::move(options)) {}

ConfigStore::~ConfigStore() {
  std::unique_ptr<Watch> last;
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
    last = std::move(watch_);
  }
  last.reset();  // without the lock: waits for a running callback, which may need it
}

absl::StatusOr<std::unique_ptr<ConfigStore>> ConfigStore::Open(ControlStore& store,
                                                               ConfigStoreOptions options) {
  std::unique_ptr<ConfigStore> config(new ConfigStore(store, std::move(options)));
  if (absl::Status made = config->CreateClusterIfAbsent(); !made.ok()) return made;
  if (absl::Status loaded = config->LoadAndWatch(); !loaded.ok()) return loaded;
  return config;
}

absl::Status ConfigStore::CreateClusterIfAbsent() {
  auto found = store_.Get(kClusterKey);
  if (!found.ok()) return found.status();
  if (found->has_value()) return absl::OkStatus();
  const std::string cluster(kClusterKey);
  const std::string generation(kGenerationKey);
  Transaction transaction;
  transaction.comparisons = {{cluster, 0}, {generation, 0}};
  transaction.mutations = {{cluster, EncodeCluster(options_.new_cluster_uuid, options_.now)},
                           {generation, EncodeGeneration(1)}};
  // Not succeeded: another coordinator made the cluster meanwhile; it counts.
  return store_.Commit(transaction).status();
}

absl::StatusOr<ClusterView> ConfigStore::Load() {
  for (int attempt = 0; attempt < kLoadAttempts; ++attempt) {
    ClusterView view;
    RangePage page;
    std::string after;
    bool torn = false;
    do {
      auto read = store_.Range(kConfigPrefix, after, kPageKeys);
      if (!read.ok()) return read.status();
      page = *std::move(read);
      // Pages of different revisions may not belong together.
      torn = view.revision != 0 && view.revision != page.revision;
      view.revision = page.revision;
      for (const KeyValue& stored : page.items) {
        if (absl::Status put = view.Put(stored); !put.ok()) return put;
      }
      if (!page.items.empty()) after = page.items.back().key;
    } while (page.more && !torn);
    if (torn) continue;
    if (view.cluster_uuid.empty() || view.generation == 0) {
      return absl::DataLossError("the control store holds no cluster uuid or no generation");
    }
    return view;
  }
  return absl::UnavailableError("the control store changes faster than it can be read");
}

absl::Status ConfigStore::LoadAndWatch() {
  absl::MutexLock load_lock(&load_mutex_);
  auto loaded = Load();
  if (!loaded.ok()) return loaded.status();
  const uint64_t next = loaded->revision + 1;
  auto view = std::make_shared<const ClusterView>(*std::move(loaded));
  {
    absl::MutexLock lock(&mutex_);
    view_ = view;
  }
  auto watch = store_.StartWatch(
      kConfigPrefix, next,
      [this](absl::StatusOr<std::vector<Change>> changes) { OnChanges(std::move(changes)); });
  if (!watch.ok()) return watch.status();
  {
    absl::MutexLock lock(&mutex_);
    if (!closing_) std::swap(watch_, *watch);
  }
  return absl::OkStatus();  // the watch before, or an unwanted one, ends here
}

void ConfigStore::OnChanges(absl::StatusOr<std::vector<Change>> changes) {
  absl::Status status = changes.status();
  if (absl::IsOutOfRange(status)) {
    status = LoadAndWatch();
    if (status.ok()) options_.on_change(view());
  } else if (status.ok()) {
    auto next = std::make_shared<ClusterView>(*view());
    for (const Change& change : *changes) {
      status = next->Apply(change);
      if (!status.ok()) break;
    }
    if (status.ok()) {
      {
        absl::MutexLock lock(&mutex_);
        view_ = next;
      }
      options_.on_change(std::move(next));
    }
  }
  if (!status.ok() && options_.on_broken) options_.on_broken(status);
}

ClusterViewPtr ConfigStore::view() const {
  absl::MutexLock lock(&mutex_);
  return view_;
}

ClusterViewPtr ConfigStore::AwaitRevision(uint64_t revision, absl::Duration limit) const {
  auto covered = [this, revision]()
                     ABSL_NO_THREAD_SAFETY_ANALYSIS { return view_->revision >= revision; };
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&covered), limit);
  return view_;
}

absl::StatusOr<ClusterViewPtr> ConfigStore::Write(const Plan& plan) {
  ClusterViewPtr present = view();
  for (int attempt = 0; attempt < kWriteAttempts; ++attempt) {
    auto transaction = plan(*present);
    if (!transaction.ok()) return transaction.status();
    if (transaction->mutations.empty()) return present;
    const std::string generation(kGenerationKey);
    transaction->comparisons.push_back({generation, present->generation_revision});
    transaction->mutations.push_back({generation, EncodeGeneration(present->generation + 1)});
    auto committed = store_.Commit(*transaction);
    if (!committed.ok()) return committed.status();
    if (committed->succeeded) {
      present = AwaitRevision(committed->revision, kOwnChangeLimit);
      if (present->revision >= committed->revision) return present;
      return absl::UnavailableError(
          "the change is stored but not yet in force here; look again in a moment");
    }
    // Somebody else wrote first: plan again on what they made.
    present = AwaitRevision(present->revision + 1, absl::Seconds(1));
  }
  return absl::UnavailableError(
      "the configuration was changed by others at the same time; try again");
}

absl::StatusOr<ClusterViewPtr> ConfigStore::PutMember(const MemberRecord& member) {
  return Write([&member](const ClusterView& view) -> absl::StatusOr<Transaction> {
    Transaction transaction;
    if (view.evicted.contains(member.node)) {
      return absl::FailedPreconditionError(
          fmt::format("node {} has been evicted", ToString(member.node)));
    }
    const MemberRecord* known = view.FindMember(member.node);
    if (known && known->SameAs(member)) return transaction;
    MemberRecord stored = member;
    stored.draining = known && known->draining;
    const std::string key = MemberKey(member.node);
    transaction.comparisons = {{key, known ? known->revision : 0}, {EvictedKey(member.node), 0}};
    transaction.mutations = {{key, EncodeMember(stored)}};
    return transaction;
  });
}

absl::StatusOr<ClusterViewPtr> ConfigStore::SetDraining(NodeId node, bool draining) {
  return Write([node, draining](const ClusterView& view) -> absl::StatusOr<Transaction> {
    const MemberRecord* known = view.FindMember(node);
    if (!known || view.evicted.contains(node)) return NoSuchMember(node);
    Transaction transaction;
    if (known->draining == draining) return transaction;
    MemberRecord changed = *known;
    changed.draining = draining;
    const std::string key = MemberKey(node);
    transaction.comparisons = {{key, known->revision}};
    transaction.mutations = {{key, EncodeMember(changed)}};
    return transaction;
  });
}

absl::StatusOr<ClusterViewPtr> ConfigStore::Evict(NodeId node) {
  return Write([node](const ClusterView& view) -> absl::StatusOr<Transaction> {
    Transaction transaction;
    if (view.evicted.contains(node)) return transaction;
    const MemberRecord* known = view.FindMember(node);
    if (!known) return NoSuchMember(node);
    const std::string key = MemberKey(node);
    transaction.comparisons = {{key, known->revision}, {EvictedKey(node), 0}};
    transaction.mutations = {{key, std::nullopt}, {EvictedKey(node), "{}"}};
    return transaction;
  });
}

absl::StatusOr<ClusterViewPtr> ConfigStore::AddDomain(const DomainRecord& domain) {
  return Write([&domain](const ClusterView& view) -> absl::StatusOr<Transaction> {
    if (const DomainRecord* known = view.FindDomain(domain.name)) {
      return absl::AlreadyExistsError(fmt::format(
          "domain {} exists, with primary {}:{}; to give it another primary, remove it and add it "
          "again",
          known->name, known->primary.host, known->primary.port));
    }
    const std::string key = DomainKey(domain.name);
    Transaction transaction;
    transaction.comparisons = {{key, 0}};
    transaction.mutations = {{key, EncodeDomain(domain)}};
    return transaction;
  });
}

absl::StatusOr<ClusterViewPtr> ConfigStore::RemoveDomain(std::string_view name) {
  return Write([name](const ClusterView& view) -> absl::StatusOr<Transaction> {
    const DomainRecord* known = view.FindDomain(name);
    if (!known) {
      return absl::NotFoundError(
          fmt::format("there is no domain {}; `fermoctl domain list` shows all", name));
    }
    const std::string key = DomainKey(name);
    Transaction transaction;
    transaction.comparisons = {{key, known->revision}};
    transaction.mutations = {{key, std::nullopt}};
    return transaction;
  });
}

}  // namespace fermo::coordinator
