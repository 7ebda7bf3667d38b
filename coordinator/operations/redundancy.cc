#include "coordinator/operations/redundancy.h"

#include <algorithm>
#include <set>
#include <utility>

#include "fmt/format.h"

namespace fermo::coordinator {

std::string Some(uint64_t number, const char* noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

Needed NeededBy(const std::vector<NodeFacts>& nodes) {
  Needed needed;
  for (const NodeFacts& node : nodes) {
    if (!node.answered) continue;
    needed.copies = std::max(needed.copies, node.copies);
    needed.write_copies = std::max(needed.write_copies, node.write_copies);
    needed.min_regions = std::max(needed.min_regions, node.min_regions);
  }
  return needed;
}

std::string Shortfall(const std::vector<std::string>& places, const Needed& needed) {
  // Whatever the nodes say, mail needs one of them.
  const uint32_t copies = std::max(needed.write_copies, 1u);
  const uint32_t in_regions = std::max(needed.min_regions, 1u);
  const std::set<std::string> regions(places.begin(), places.end());
  if (places.size() >= copies && regions.size() >= in_regions) return "";
  return fmt::format(
      "there {} {} in {}, and new mail needs {} in {}", places.size() == 1 ? "is" : "are",
      Some(places.size(), "node"), Some(regions.size(), "region"),
      copies == 1 ? "1 copy" : fmt::format("{} copies", copies), Some(in_regions, "region"));
}

std::vector<std::string> Within(const std::vector<std::string>& places,
                                const std::vector<std::string>& regions) {
  if (regions.empty()) return places;
  std::vector<std::string> inside;
  for (const std::string& place : places) {
    if (std::ranges::find(regions, place) != regions.end()) inside.push_back(place);
  }
  return inside;
}

absl::StatusOr<std::vector<std::string>> CheckRegions(std::vector<std::string> asked,
                                                      const std::vector<NodeFacts>& nodes) {
  std::ranges::sort(asked);
  asked.erase(std::unique(asked.begin(), asked.end()), asked.end());
  if (asked.empty()) return asked;
  std::set<std::string> there;
  std::vector<std::string> places;
  bool answered = false;
  for (const NodeFacts& node : nodes) {
    there.insert(node.member.region);
    answered = answered || node.answered;
    // A node that is away for a while will be back; one that drains will not.
    if (!node.member.draining) places.push_back(node.member.region);
  }
  for (const std::string& region : asked) {
    if (there.contains(region)) continue;
    if (there.empty()) {
      return absl::FailedPreconditionError(
          fmt::format("no node is in region {}: none has joined", region));
    }
    return absl::FailedPreconditionError(
        fmt::format("no node is in region {}; nodes are in {}", region, fmt::join(there, ", ")));
  }
  if (!answered) {
    return absl::UnavailableError(
        "no node answers that could say how many copies mail needs; try again when one does");
  }
  const std::string missing = Shortfall(Within(places, asked), NeededBy(nodes));
  if (missing.empty()) return asked;
  return absl::FailedPreconditionError(fmt::format(
      "cannot be met: in these regions {}; name more regions or add nodes in them", missing));
}

}  // namespace fermo::coordinator
