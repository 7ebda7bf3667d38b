// What goes wrong, and when: a list of faults drawn from a seed.
//
// A fault begins and, after its span, ends. Whatever is still wrong at the end
// of the list is healed by the Simulation.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "lib/base/random.h"
#include "lib/base/time.h"

namespace fermo::sim {

enum class FaultKind : uint8_t {
  kCrash,           // a process; it is started again after the span
  kPower,           // a machine: unsynced writes are gone, its clock starts anew
  kPowerAtPromise,  // a machine, just after its next promise left
  kPowerAtWrite,    // a machine, at one of its next synced writes
  // A process, just after its next word left, to another that is then cut off:
  // nobody who is left may know of it.
  kCrashAtPromise,          // while a third is down
  kCrashAtAcknowledgement,  // of an announcement, by an owner whom no third reaches
  kRegion,                  // power, for every node of a region
  kStall,                   // a process takes in nothing
  kStallBeforeDot,          // it is stopped between its last check and the final dot
  kCutOneWay,               // from one node to another
  kCutBothWays,
  kIsolate,           // a node from all others
  kIsolateWithCrash,  // the same, and another's process restarts at once
  kSlowDisk,          // every sync takes this long
  kStuckDisk,
  kFailingDisk,  // a sync fails; the process ends itself and is started again
  kFullDisk,
  kLossy,  // control frames are lost, doubled and reordered
  kPrimaryDown,
  kPrimaryUnsure,  // replies get lost, legs are refused
  kRestart,        // a clean stop and a start
  kReconfigure,    // the same, with other numbers of copies for what is accepted from then on
  kWipe,           // a machine and its disk; its node is evicted, a new one takes its place
  kEvictAlive,     // a node that is cut off and runs; it comes back, then a new one takes its place
  kDrain,          // a node gives its copies away; then as kWipe
  kCoordinatorGone,
  kSplit,            // the cluster falls into two parts
  kSplitAtProposal,  // as soon as this node next proposes a list of holders
  kLongAbsence,      // a machine is off until its copies have been replaced
  kLyingDisk,        // a machine loses synced writes; once it is trusted again, another its disk
};
std::string_view ToString(FaultKind kind);

struct Fault {
  FaultKind kind = FaultKind::kCrash;
  Duration at{};
  Duration span{};
  int node = 0;
  int other = 0;
};

// `count` faults within `window`, by nodes 0 to nodes-1.
std::vector<Fault> DrawFaults(Rng& random, uint32_t count, int nodes, Duration window);

}  // namespace fermo::sim
