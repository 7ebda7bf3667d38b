// The simulator itself: repeatable, and silent about a sound cluster.
#include <gtest/gtest.h>

#include "tests/sim/simulation.h"

namespace fermo::sim {
namespace {

TEST(Simulation, TheSameSeedGivesTheSameHistory) {
  SimulationOptions options;
  options.seed = 7;
  options.mails = 60;
  options.keep_history = true;
  const SimulationResult first = Simulate(options);
  const SimulationResult second = Simulate(options);
  EXPECT_GT(first.history.size(), 1000u);
  EXPECT_EQ(first.history, second.history);
  options.seed = 8;
  EXPECT_NE(first.history, Simulate(options).history);
}

TEST(Simulation, WithoutFaultsAllIsAcceptedAndNothingDoubled) {
  SimulationOptions options;
  options.faults = 0;
  for (options.seed = 1; options.seed <= 20; ++options.seed) {
    const SimulationResult result = Simulate(options);
    EXPECT_EQ(result.violations, std::vector<std::string>());
    EXPECT_EQ(result.accepted, options.mails) << "seed " << options.seed;
    EXPECT_EQ(result.duplicates, 0u) << "seed " << options.seed;
  }
}

TEST(Simulation, FaultsBreakNoPromise) {
  SimulationOptions options;
  for (options.seed = 1; options.seed <= 50; ++options.seed) {
    EXPECT_EQ(Simulate(options).violations, std::vector<std::string>()) << "seed " << options.seed;
  }
}

}  // namespace
}  // namespace fermo::sim
