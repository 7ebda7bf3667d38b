// fermoctl node list|show|drain|evict.
//
// Each prints its answer and returns OK, or the status to be reported.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "ctl/session_client.h"

namespace fermo::ctl {

struct DrainOptions {
  bool wait = false;  // until the node has handed all over
  bool cancel = false;
  bool force = false;
  bool dry_run = false;
  std::string reason;
};
struct EvictOptions {
  bool force = false;
  bool dry_run = false;
  std::string reason;
};

// `node`: a name, or an id of 16 hex digits.
absl::Status NodeList(Session& session);
absl::Status NodeShow(Session& session, const std::string& node);
absl::Status NodeDrain(Session& session, const std::string& node, const DrainOptions& options);
absl::Status NodeEvict(Session& session, const std::string& node, const EvictOptions& options);

// The nodes as a table.
std::string RenderNodes(const google::protobuf::RepeatedPtrField<fermoposta::v1::NodeInfo>& nodes,
                        size_t width);

}  // namespace fermo::ctl
