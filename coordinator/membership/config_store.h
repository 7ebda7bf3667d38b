// The cluster's configuration over a ControlStore: reads it, follows its
// changes, and writes it with compare-and-swap, so that several coordinators
// may share one store. Each write that changes what processes run on raises
// the generation in the same commit.
//
// Ownership: the ControlStore must outlive this. Threading: view() may be
// called from any thread and never blocks long; the writing methods block on
// the store and belong on threads that may block; on_change runs on a thread
// of the store, in order, and must not call back. Failure: absl::Status for
// people: what is wrong and what to do.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "coordinator/membership/cluster_view.h"
#include "coordinator/store/control_store.h"

namespace fermo::coordinator {

struct ConfigStoreOptions {
  std::string new_cluster_uuid;  // taken only if the store holds no cluster yet
  WallTime now{};                // when such a cluster is made
  // A newer view is in force. Not called for the first one.
  std::function<void(ClusterViewPtr)> on_change;
  // The configuration can no longer be followed. May be null.
  std::function<void(const absl::Status&)> on_broken;
};

class ConfigStore {
 public:
  static absl::StatusOr<std::unique_ptr<ConfigStore>> Open(ControlStore& store,
                                                           ConfigStoreOptions options);
  ~ConfigStore();
  ConfigStore(const ConfigStore&) = delete;
  ConfigStore& operator=(const ConfigStore&) = delete;

  ClusterViewPtr view() const ABSL_LOCKS_EXCLUDED(mutex_);

  // The writing methods return the view in which their change is in force.
  // Nothing is written when the member is stored like this already.
  // Its draining flag stays as it is stored, whatever `member` has.
  absl::StatusOr<ClusterViewPtr> PutMember(const MemberRecord& member);
  // NotFound when there is no such member; nothing is written when it is so already.
  absl::StatusOr<ClusterViewPtr> SetDraining(NodeId node, bool draining);
  // For ever. Nothing is written when the node has been evicted already;
  // NotFound when it is no member and has not been.
  absl::StatusOr<ClusterViewPtr> Evict(NodeId node);
  // AlreadyExists when the domain is there.
  absl::StatusOr<ClusterViewPtr> AddDomain(const DomainRecord& domain);
  // NotFound when it is not.
  absl::StatusOr<ClusterViewPtr> RemoveDomain(std::string_view name);

 private:
  // What to change, given the present view; no mutations: nothing.
  using Plan = std::function<absl::StatusOr<Transaction>(const ClusterView&)>;

  ConfigStore(ControlStore& store, ConfigStoreOptions options);
  absl::Status CreateClusterIfAbsent();
  absl::Status LoadAndWatch() ABSL_LOCKS_EXCLUDED(load_mutex_, mutex_);
  absl::StatusOr<ClusterView> Load();
  void OnChanges(absl::StatusOr<std::vector<Change>> changes) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<ClusterViewPtr> Write(const Plan& plan) ABSL_LOCKS_EXCLUDED(mutex_);
  // The view once it covers `revision`, or what there is after `limit`.
  ClusterViewPtr AwaitRevision(uint64_t revision, absl::Duration limit) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  ControlStore& store_;
  const ConfigStoreOptions options_;
  absl::Mutex load_mutex_;  // held while everything is read anew
  mutable absl::Mutex mutex_;
  ClusterViewPtr view_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Watch> watch_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace fermo::coordinator
