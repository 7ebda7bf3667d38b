// Whether nodes suffice for what mail needs: copies, in distinct regions.
//
// Pure. Failure: FailedPrecondition that says what is missing, Unavailable when
// nobody says what is needed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/operations/node_facts.h"

namespace fermo::coordinator {

// What the nodes are configured for: the most that any of them says; 0: none
// does.
struct Needed {
  uint32_t copies = 0;
  uint32_t write_copies = 0;
  uint32_t min_regions = 0;
};
Needed NeededBy(const std::vector<NodeFacts>& nodes);

// `places`: the region of each node that could keep a copy. Empty when they
// suffice to make mail durable; else what is missing: "there is 1 node in 1
// region, and new mail needs 2 copies in 2 regions".
std::string Shortfall(const std::vector<std::string>& places, const Needed& needed);
// The places that lie in one of `regions`; all when there are none.
std::vector<std::string> Within(const std::vector<std::string>& places,
                                const std::vector<std::string>& regions);

// The regions that may hold a domain's mail, sorted and each once, if nodes are
// in all of them and suffice.
absl::StatusOr<std::vector<std::string>> CheckRegions(std::vector<std::string> asked,
                                                      const std::vector<NodeFacts>& nodes);

// "1 node", "2 nodes".
std::string Some(uint64_t number, const char* noun);

}  // namespace fermo::coordinator
