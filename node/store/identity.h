// Who this node is, as its data directory says: the node id drawn when the
// directory was made, how often it has booted, the cluster it belongs to, and
// whether it stopped cleanly.
//
// All functions block until the disk has it; call them from the thread that
// starts and stops the node, one at a time. Failure: the store's, and DataLoss
// when the record is damaged, or missing from a spool that holds segments.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/ids.h"
#include "node/store/spool_store.h"

namespace fermo::node {

struct Identity {
  NodeId node;
  uint32_t boot = 0;         // of this process, from 1: higher than any before it
  std::string cluster_uuid;  // empty until BindCluster
  bool created = false;      // the directory is new
  // False: the process was killed, or its machine went down. True for a new
  // directory.
  bool last_stop_clean = true;
};

// Reads the identity or makes one, counts this boot, by `step`, and clears the
// clean-stop mark. REQUIRES: called once for each opening of the store, before
// all writes that are not of identity or machine; step > 0.
absl::StatusOr<Identity> LoadIdentity(SpoolStore& store, uint32_t step = 1);

// Ties the directory to a cluster for good. FailedPrecondition when it belongs
// to another one; InvalidArgument when `cluster_uuid` is empty or absurdly long.
absl::Status BindCluster(SpoolStore& store, std::string_view cluster_uuid);

// Says that everything promised is on disk. REQUIRES: no write follows.
absl::Status MarkCleanStop(SpoolStore& store);

}  // namespace fermo::node
