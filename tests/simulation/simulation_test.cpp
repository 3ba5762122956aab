// The simulator as a test: many seeds, the seeds that once found something, and faults that it must find.
#include "tests/simulation/simulation.hpp"

#include <gtest/gtest.h>

namespace signalbox::simulation {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif
#else
constexpr bool sanitized = false;
#endif

constexpr uint64_t seed_count = sanitized ? 60 : 1000;
constexpr uint64_t steps = sanitized ? 1000 : 2000;

class SimulationTest : public testing::Test {
 protected:
  void SetUp() override { print_journal_on_abort(); }
};

TEST_F(SimulationTest, EveryPromiseIsKeptForManySeeds) {
  uint64_t delivered = 0;
  uint64_t dead = 0;
  for (uint64_t seed = 1; seed <= seed_count; ++seed) {
    Simulation simulation(seed, steps);
    ASSERT_TRUE(simulation.run()) << simulation.report();
    delivered += simulation.model().delivered();
    dead += simulation.model().dead();
  }
  // A simulation in which nothing happens would find nothing.
  EXPECT_GT(delivered, seed_count * steps / 4);
  EXPECT_GT(dead, seed_count);
}

// Seeds that once found a fault, in the core or in the model, and what it was.
struct NamedSeed {
  const char* what;
  uint64_t seed;
  uint64_t steps;
};

constexpr NamedSeed named_seeds[] = {
    {"the first one", 1, 2000},
};

TEST_F(SimulationTest, SeedsThatOnceFoundAFault) {
  for (const NamedSeed& named : named_seeds) {
    Simulation simulation(named.seed, named.steps);
    EXPECT_TRUE(simulation.run()) << named.what << "\n" << simulation.report();
  }
}

TEST_F(SimulationTest, OneSeedIsOneRun) {
  Simulation one(7, 500);
  Simulation other(7, 500);
  ASSERT_TRUE(one.run()) << one.report();
  ASSERT_TRUE(other.run()) << other.report();
  EXPECT_EQ(one.report(), other.report());
  EXPECT_EQ(one.model().delivered(), other.model().delivered());
}

TEST_F(SimulationTest, ChanceIsTheSameEverywhere) {
  Random random(1);
  EXPECT_EQ(random.next(), 0xb3f2af6d0fc710c5U);
  EXPECT_EQ(random.next(), 0x853b559647364ceaU);
}

// Each lie is told on the way from the core to the model, in some run; the model must catch every one that is told.
class PlantedLieTest : public testing::TestWithParam<PlantedLie> {};

TEST_P(PlantedLieTest, IsFound) {
  uint64_t told = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Simulation simulation(seed, 1000, GetParam());
    const bool kept = simulation.run();
    if (!simulation.lied()) continue;
    ++told;
    EXPECT_FALSE(kept) << "seed " << seed;
  }
  EXPECT_GT(told, 0U);
}

INSTANTIATE_TEST_SUITE_P(Lies, PlantedLieTest,
                         testing::Values(PlantedLie::delivery_lost, PlantedLie::confirmed_early,
                                         PlantedLie::messages_swapped, PlantedLie::refusal_lost,
                                         PlantedLie::redelivery_hidden));

}  // namespace
}  // namespace signalbox::simulation
