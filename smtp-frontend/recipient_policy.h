// Who may receive mail through us: the domains of the present snapshot, and
// nobody else. There is no other way through.
//
// Owned by the frontend; used on its one thread. Nothing fails; without any
// snapshot yet every recipient is deferred, since that is our own trouble.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/cluster/snapshot.h"
#include "lib/smtp/address.h"
#include "lib/smtp/reply.h"

namespace fermo::frontend {

class RecipientPolicy {
 public:
  void SetSnapshot(const cluster::Snapshot& snapshot) { snapshot_ = snapshot; }
  bool configured() const { return snapshot_.has_value(); }

  // nullopt: taken. 451 4.3.0 without a snapshot, 550 5.7.1 for a foreign domain,
  // 452 4.5.3 for one whose mail may not lie where that of the others may, the
  // domains of the forward-paths taken so far.
  std::optional<smtp::Reply> Refuse(const smtp::Path& forward_path,
                                    const std::vector<std::string>& taken = {}) const;

 private:
  std::optional<cluster::Snapshot> snapshot_;
};

}  // namespace fermo::frontend
