#include "tests/sim/faults.h"

#include <algorithm>
#include <array>

namespace fermo::sim {

using namespace std::chrono_literals;

namespace {

struct Kind {
  FaultKind kind;
  std::string_view name;
  uint32_t weight;
  Duration longest;
};

constexpr std::array kKinds = {
    Kind{FaultKind::kCrash, "crash", 4, 20s},
    Kind{FaultKind::kPower, "power", 2, 30s},
    Kind{FaultKind::kPowerAtPromise, "power at a promise", 1, 40s},
    Kind{FaultKind::kPowerAtWrite, "power at a write", 2, 10s},
    Kind{FaultKind::kCrashAtPromise, "crash at a promise", 2, 40s},
    Kind{FaultKind::kCrashAtAcknowledgement, "crash at an acknowledgement", 2, 25s},
    Kind{FaultKind::kRegion, "region", 1, 40s},
    Kind{FaultKind::kStall, "stall", 2, 25s},
    Kind{FaultKind::kStallBeforeDot, "stall before dot", 1, 25s},
    Kind{FaultKind::kCutOneWay, "cut one way", 2, 25s},
    Kind{FaultKind::kCutBothWays, "cut both ways", 2, 25s},
    Kind{FaultKind::kIsolate, "isolate", 2, 25s},
    Kind{FaultKind::kIsolateWithCrash, "isolate, and crash another", 1, 25s},
    Kind{FaultKind::kSlowDisk, "slow disk", 1, 20s},
    Kind{FaultKind::kStuckDisk, "stuck disk", 1, 12s},
    Kind{FaultKind::kFailingDisk, "failing disk", 1, 10s},
    Kind{FaultKind::kFullDisk, "full disk", 1, 15s},
    Kind{FaultKind::kLossy, "lossy network", 1, 20s},
    Kind{FaultKind::kPrimaryDown, "primary down", 2, 15s},
    Kind{FaultKind::kPrimaryUnsure, "unsure primary", 2, 15s},
    Kind{FaultKind::kRestart, "clean restart", 1, 5s},
    Kind{FaultKind::kReconfigure, "other configuration", 1, 5s},
    Kind{FaultKind::kWipe, "wipe", 2, 20s},
    Kind{FaultKind::kEvictAlive, "evicted alive", 1, 25s},
    Kind{FaultKind::kDrain, "drain", 2, 5s},
    Kind{FaultKind::kCoordinatorGone, "coordinator gone", 1, 30s},
    Kind{FaultKind::kSplit, "split", 2, 25s},
    Kind{FaultKind::kSplitAtProposal, "split at a proposal", 2, 25s},
    Kind{FaultKind::kLongAbsence, "long absence", 1, 40s},
    Kind{FaultKind::kLyingDisk, "lying disk", 2, 5s},
};

const Kind& Draw(Rng& random) {
  uint32_t all = 0;
  for (const Kind& kind : kKinds) all += kind.weight;
  uint64_t at = random.Uniform(all);
  for (const Kind& kind : kKinds) {
    if (at < kind.weight) return kind;
    at -= kind.weight;
  }
  return kKinds.front();
}

}  // namespace

std::string_view ToString(FaultKind kind) {
  for (const Kind& known : kKinds) {
    if (known.kind == kind) return known.name;
  }
  return "unknown";
}

std::vector<Fault> DrawFaults(Rng& random, uint32_t count, int nodes, Duration window) {
  // Half of the seeds have their faults close together: what one alone does not
  // break, two within seconds may.
  constexpr Duration kBurst = 6s;
  const uint64_t bursts = random.OneIn(0.5) ? 1 + random.Uniform(3) : 0;
  std::vector<Duration> begins;
  for (uint64_t i = 0; i < bursts; ++i) {
    begins.push_back(Duration(static_cast<int64_t>(random.Uniform((window - kBurst).count()))));
  }
  std::vector<Fault> faults;
  for (uint32_t i = 0; i < count; ++i) {
    const Kind& kind = Draw(random);
    Fault& fault = faults.emplace_back();
    fault.kind = kind.kind;
    fault.at = Duration(static_cast<int64_t>(random.Uniform(window.count())));
    if (bursts > 0) {
      fault.at = begins[random.Uniform(bursts)] +
                 Duration(static_cast<int64_t>(random.Uniform(Duration(kBurst).count())));
    }
    fault.span = 100ms + Duration(static_cast<int64_t>(random.Uniform(kind.longest.count())));
    fault.node = static_cast<int>(random.Uniform(nodes));
    fault.other = static_cast<int>(random.Uniform(nodes));
  }
  std::sort(faults.begin(), faults.end(),
            [](const Fault& a, const Fault& b) { return a.at < b.at; });
  return faults;
}

}  // namespace fermo::sim
