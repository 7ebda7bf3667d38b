#include "ctl/views_client.h"

#include <vector>

#include "ctl/human.h"
#include "fmt/format.h"
#include "lib/base/host_port.h"
#include "lib/base/ids.h"

namespace fermo::ctl {

namespace v1 = ::fermoposta::v1;

std::string PrimaryOf(const v1::Domain& domain) {
  HostPort place;
  place.host = domain.primary_host();
  place.port = static_cast<uint16_t>(domain.primary_port());
  return Printable(ToString(place));
}

std::string AgeOrDash(int64_t millis, WallTime now) {
  return millis == 0 ? "-" : FormatAge(FromMillis(millis), now);
}

std::string CountsLine(const v1::QueueCounts& counts, WallTime now) {
  if (counts.messages() == 0) return "nothing";
  return fmt::format("{} for {}, {}, the oldest for {}", Count(counts.messages(), "message"),
                     Count(counts.waiting(), "recipient"), FormatOctets(counts.bytes()),
                     AgeOrDash(counts.oldest_millis(), now));
}

std::string CountsLine(const v1::QueueCounts& counts, uint64_t ownerless, WallTime now) {
  if (ownerless == 0) return CountsLine(counts, now);
  const std::string waiting = fmt::format(
      "{} without an owner: another holder takes over in seconds", Count(ownerless, "message"));
  if (counts.messages() == 0) return waiting;
  return fmt::format("{}; and {}", CountsLine(counts, now), waiting);
}

std::string PathOf(absl::string_view path) {
  return path.empty() ? "-" : Printable(std::string_view(path.data(), path.size()));
}

std::string RegionsOf(const v1::Domain& domain) {
  if (domain.regions_size() == 0) return "all";
  return Printable(fmt::format("{}", fmt::join(domain.regions(), ", ")));
}

std::string NodeIdOf(uint64_t node) { return ToString(NodeId(node)); }

void CopyTrouble::Add(const v1::NodeStatus& status) {
  at_risk_ += status.at_risk();
  under_replicated_ += status.under_replicated();
  surviving_segments_ += status.surviving_segments();
  repairs_ += status.repairs();
}

bool CopyTrouble::Any() const {
  return at_risk_ > 0 || under_replicated_ > 0 || surviving_segments_ > 0 || repairs_ > 0;
}

std::string CopyTrouble::Line() const {
  std::vector<std::string> parts;
  if (at_risk_ > 0) parts.push_back(Count(at_risk_, "message") + " at risk");
  if (under_replicated_ > 0) {
    parts.push_back(Count(under_replicated_, "message") + " with too few live copies");
  }
  if (surviving_segments_ > 0) {
    parts.push_back(Count(surviving_segments_, "segment") + " delivered without a quorum");
  }
  if (repairs_ > 0) parts.push_back(Count(repairs_, "repair") + " under way");
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace fermo::ctl
