// The simulation against a core with a fault in it: if no seed finds it, the simulation is not worth its time.
#include <gtest/gtest.h>

#include "tests/simulation/simulation.hpp"

namespace signalbox::simulation {
namespace {

TEST(PlantedFault, IsFoundWithinTwoHundredSeeds) {
  uint64_t seed = 1;
  while (seed <= 200) {
    Simulation simulation(seed, 1000);
    if (!simulation.run()) break;
    ++seed;
  }
  EXPECT_LE(seed, 200U);
  RecordProperty("found_by_seed", static_cast<int>(seed));
}

}  // namespace
}  // namespace signalbox::simulation
