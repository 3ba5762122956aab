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

constexpr uint64_t seed_count = sanitized ? 200 : 2000;
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
  EXPECT_GT(delivered, seed_count * steps / 10);
  EXPECT_GT(dead, seed_count);
}

// Two or three dispatchers, chained or apart.
TEST_F(SimulationTest, EveryPromiseIsKeptThroughChains) {
  uint64_t delivered = 0;
  uint64_t dead = 0;
  for (uint64_t seed = 1; seed <= seed_count / 2; ++seed) {
    Simulation simulation(seed, steps, PlantedLie::none, Installation::several_dispatchers);
    ASSERT_TRUE(simulation.run()) << simulation.report();
    delivered += simulation.model().delivered();
    dead += simulation.model().dead();
  }
  EXPECT_GT(delivered, seed_count * steps / 20);
  EXPECT_GT(dead, seed_count / 2);
}

// Faults of the core that the simulation has found, each with a seed that finds it again when its remedy is taken out.
// A change to what the simulation draws shifts all seeds: look for new ones then, in the same way.
struct NamedSeed {
  const char* fault;
  uint64_t seed;
};

constexpr NamedSeed named_seeds[] = {
    {"a message appended to a segment that is not the newest was never delivered", 1},
    {"one who said BYE while its link was full was never told what had become of its messages", 1},
    {"the window counted a partly confirmed batch as a whole", 11},
    {"an instance kept free for a suspect got no work once the suspect had gone elsewhere", 84},
    {"an instance was kept free for a suspect that it had itself handed back", 1267},
    {"instances behind one that had registered again were not probed", 739},
};

TEST_F(SimulationTest, SeedsThatOnceFoundAFault) {
  for (const NamedSeed& named : named_seeds) {
    Simulation simulation(named.seed, 2000);
    EXPECT_TRUE(simulation.run()) << named.fault << "\n" << simulation.report();
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
