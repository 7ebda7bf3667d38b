// Who delivers a segment alone, when the coordinator can be asked: one holder
// at a time.
//
// Pure; one thread at a time; no failure. What was granted is forgotten with
// the process: after a start nothing is granted for as long as an earlier grant
// may run.
#pragma once

#include <map>

#include "lib/base/ids.h"
#include "lib/base/time.h"

namespace fermo::cluster {

class SurvivorGrants {
 public:
  // `lease`: a grant runs for so long unless its holder asks again.
  SurvivorGrants(Duration lease, Instant now) : lease_(lease), silent_until_(now + 2 * lease) {}

  bool Ask(const SegmentId& segment, NodeId holder, Instant now) {
    if (now < silent_until_) return false;
    const auto over = [&](const Grant& grant) { return now - grant.asked > 2 * lease_; };
    if (now >= next_sweep_) {  // not at each question: there is one for every segment
      std::erase_if(grants_, [&](const auto& entry) { return over(entry.second); });
      next_sweep_ = now + lease_;
    }
    Grant& grant = grants_.try_emplace(segment, Grant{holder, now}).first->second;
    if (grant.holder != holder && !over(grant)) return false;
    grant = Grant{holder, now};
    return true;
  }
  size_t size() const { return grants_.size(); }

 private:
  struct Grant {
    NodeId holder;
    Instant asked{};
  };
  const Duration lease_;
  const Instant silent_until_;
  Instant next_sweep_{};
  std::map<SegmentId, Grant> grants_;
};

}  // namespace fermo::cluster
