// fermo-sim: runs seeds and tells of the first that breaks a promise.
//
//   fermo-sim [--seeds N] [--from S] [--mails M] [--faults F] [--keep-going] [--brief]
//   fermo-sim --seed S --history     one seed, with all that happened
//
// Exit status: 0 no violation, 1 a violation (the seed, the invariant and the
// history on standard output), 2 wrong use.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <string>

#include "fmt/format.h"
#include "tests/sim/simulation.h"

namespace {

using fermo::sim::Simulate;
using fermo::sim::SimulationOptions;
using fermo::sim::SimulationResult;

struct Flags {
  uint64_t seeds = 2000;
  uint64_t from = 1;
  uint64_t seed = 0;  // one only
  uint32_t mails = 200;
  uint32_t faults = 10;
  bool history = false;
  bool keep_going = false;
  bool brief = false;
};

// Every tenth seed has no fault at all: then not one duplicate is excused.
SimulationOptions OptionsOf(const Flags& flags, uint64_t seed) {
  SimulationOptions options;
  options.seed = seed;
  options.mails = flags.mails;
  options.faults = seed % 10 == 0 ? 0 : flags.faults;
  return options;
}

void Tell(const Flags& flags, uint64_t seed, const SimulationResult& result) {
  SimulationOptions again = OptionsOf(flags, seed);
  again.keep_history = true;
  if (!flags.keep_going && !flags.brief) std::cout << Simulate(again).history;
  for (const std::string& violation : result.violations) {
    std::cout << "seed " << seed << ": " << violation << "\n";
  }
  std::cout << "again: fermo-sim --seed " << seed << " --history" << std::endl;
}

int RunOne(const Flags& flags) {
  SimulationOptions options = OptionsOf(flags, flags.seed);
  options.keep_history = flags.history;
  const SimulationResult result = Simulate(options);
  std::cout << result.history;
  for (const std::string& violation : result.violations) {
    std::cout << "seed " << flags.seed << ": " << violation << "\n";
  }
  std::cout << "accepted " << result.accepted << ", duplicates " << result.duplicates
            << ", violations " << result.violations.size() << std::endl;
  return result.violations.empty() ? 0 : 1;
}

int RunMany(const Flags& flags) {
  const auto begin = std::chrono::steady_clock::now();
  uint64_t failed = 0, accepted = 0, duplicates = 0, faults = 0, run = 0;
  double simulated = 0;
  for (uint64_t seed = flags.from; seed < flags.from + flags.seeds; ++seed) {
    const SimulationResult result = Simulate(OptionsOf(flags, seed));
    ++run;
    accepted += result.accepted;
    duplicates += result.duplicates;
    faults += result.faults;
    simulated += std::chrono::duration<double>(result.simulated).count();
    if (result.violations.empty()) continue;
    ++failed;
    Tell(flags, seed, result);
    if (!flags.keep_going) break;
  }
  const double wall =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::cout << fmt::format(
      "{} seeds from {}: {} with a violation; {} messages accepted, {} duplicates in their "
      "windows, {} faults; {:.1f} simulated hours in {:.1f} s ({:.0f} seeds a minute)\n",
      run, flags.from, failed, accepted, duplicates, faults, simulated / 3600, wall,
      static_cast<double>(run) * 60 / wall);
  return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Simulates a cluster from seeds and checks its promises.", "fermo-sim");
  app.add_option("--seeds", flags.seeds, "how many");
  app.add_option("--from", flags.from, "the first");
  app.add_option("--seed", flags.seed, "only this one");
  app.add_option("--mails", flags.mails, "messages a seed");
  app.add_option("--faults", flags.faults, "faults a seed (every tenth seed has none)");
  app.add_flag("--history", flags.history, "with --seed: print all that happened");
  app.add_flag("--keep-going", flags.keep_going, "after a violation, without histories");
  app.add_flag("--brief", flags.brief, "no history of the seed that failed");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  return flags.seed != 0 ? RunOne(flags) : RunMany(flags);
}
