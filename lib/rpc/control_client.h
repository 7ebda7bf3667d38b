// A process's line to the coordinators: keeps one Control.Watch stream to any
// of them, applies the snapshots that come, and remembers the last one on
// disk, on which the process runs when no coordinator can be reached.
//
// Ownership and threading: made, called and destroyed on one executor (a
// strand, or an io_context run by one thread); callbacks run there. The cache
// file is written on a thread of its own. Failure: unreachable coordinators
// are tried in turn for ever, with back-off and jitter; what a person ought to
// know goes to on_problem. A snapshot of another cluster, or older than the
// one in use, is never applied.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/time.h"
#include "lib/cluster/snapshot.h"
#include "lib/rpc/convert.h"

namespace fermo::rpc {

struct ControlClientOptions {
  std::vector<std::string> coordinators;  // at least one HOST:PORT
  bool insecure = false;
  std::string cache_file;
  JoinInfo join;  // cluster_uuid is taken from the last snapshot when empty
  Duration first_backoff = std::chrono::milliseconds(200);
  Duration max_backoff = std::chrono::seconds(2);
};

struct ControlClientCallbacks {
  // The snapshot to run on from now. Acknowledged to the coordinator after
  // this has returned and the cache file has been written.
  std::function<void(const cluster::Snapshot&)> on_snapshot;
  // A coordinator refused the join: FailedPrecondition (another cluster: it must
  // not go on), PermissionDenied (this node is evicted, which then is in the
  // snapshot, too), AlreadyExists (a live node has our name). Called at each refusal; the client
  // goes on trying.
  std::function<void(const absl::Status&)> on_refused;
  // A coordinator has taken the join: what was refused before no longer counts.
  // Called with each snapshot that it sends, before on_snapshot. May be null.
  std::function<void()> on_joined;
  // Worth a line in the log: no coordinator answers (once per outage), cache
  // unreadable or unwritable, snapshot refused. May be null.
  std::function<void(const absl::Status&)> on_problem;
};

class ControlClient {
 public:
  // FailedPrecondition or InvalidArgument when an address cannot be used.
  static absl::StatusOr<std::unique_ptr<ControlClient>> Create(
      boost::asio::any_io_executor executor, ControlClientOptions options,
      ControlClientCallbacks callbacks);
  ~ControlClient();  // as Stop, without hearing of the end
  ControlClient(const ControlClient&) = delete;
  ControlClient& operator=(const ControlClient&) = delete;

  // Delivers the cached snapshot, if there is one, before it returns; then
  // connects. A damaged cache is a problem, not a failure.
  void Start();
  // Ends the stream and the timers. No callback follows but `done`, which
  // comes when the cache thread is idle and gRPC has let go of the stream.
  void Stop(std::function<void()> done);

  // Whether this node may deliver a segment alone: the coordinator's word.
  // Unavailable when none is connected or it does not answer in time. `done` is
  // called once, later, unless this object is destroyed before.
  void AskToSurvive(const SegmentId& segment, std::function<void(absl::StatusOr<bool>)> done);

  // Nodes that are evicted whatever a coordinator says: into the snapshot, and what
  // is kept of it. Calls on_snapshot when that is new.
  void MergeEvicted(const std::vector<NodeId>& nodes);

  bool Connected() const;  // a coordinator has sent its snapshot on this stream
  const std::optional<cluster::Snapshot>& Current() const;

 private:
  class Impl;
  explicit ControlClient(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

// --- The decisions, pure.

enum class SnapshotVerdict {
  kApply,    // first, or newer
  kSame,     // already in use: acknowledge only
  kOlder,    // a coordinator restored from a backup, or far behind: ignore
  kForeign,  // another cluster's, or nobody's: leave this coordinator
};
SnapshotVerdict JudgeSnapshot(const cluster::Snapshot* current, std::string_view joined_uuid,
                              const cluster::Snapshot& offered);

}  // namespace fermo::rpc
