// The simulator as a test: many seeds, the seeds that once found something, and faults that it must find.
#include "tests/simulation/simulation.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <set>
#include <sstream>

#include "routers/registry.hpp"
#include "tests/simulation/shrinking.hpp"

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
    delivered += simulation.delivered();
    dead += simulation.dead();
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
    Simulation simulation(seed, steps, Installation::several_dispatchers);
    ASSERT_TRUE(simulation.run()) << simulation.report();
    delivered += simulation.delivered();
    dead += simulation.dead();
  }
  EXPECT_GT(delivered, seed_count * steps / 20);
  EXPECT_GT(dead, seed_count / 2);
}

// Time-outs, reloads, rights that change, and a wall clock that jumps.
TEST_F(SimulationTest, EveryPromiseIsKeptWhileEverythingChanges) {
  Totals totals;
  for (uint64_t seed = 1; seed <= seed_count / 4; ++seed) {
    Simulation simulation(seed, steps, Installation::changing);
    ASSERT_TRUE(simulation.run()) << simulation.report();
    totals += simulation.totals();
  }
  EXPECT_GT(totals.delivered, seed_count * steps / 80);
  EXPECT_GT(totals.expired, seed_count);
  EXPECT_GT(totals.timed_out, seed_count);
  EXPECT_GT(totals.settled_late, seed_count / 4);
  EXPECT_GT(totals.reloads, seed_count);
}

// Other routers, middleware, diamonds; workers that hang, hostile frames, drains and restarts. Seeds that nobody has
// seen before: what fails is printed with its seed, made short, and belongs into failed_runs.txt once it is mended.
TEST_F(SimulationTest, EveryPromiseIsKeptForFreshSeeds) {
  constexpr uint64_t fresh_seeds = 200;
  for (const Installation installation : {Installation::everything, Installation::changing, Installation::all_routers,
                                          Installation::one_dispatcher, Installation::several_dispatchers}) {
    const Plan first{std::random_device()(), steps, installation, PlantedLie::none, {}};
    std::cout << fresh_seeds << " seeds of " << to_string(installation) << " from " << first.seed << "\n";
    Totals totals;
    const std::optional<Plan> failed = first_that_fails(first, fresh_seeds, totals);
    ASSERT_FALSE(failed.has_value()) << explain_failure(*failed, testing::TempDir());
    EXPECT_GT(totals.delivered, fresh_seeds * steps / 40);
    EXPECT_GT(totals.dead, fresh_seeds / 4);
  }
}

// The same with the endpoints spread over lanes: by the model between two frames, and in storms without it.
TEST_F(SimulationTest, EveryPromiseIsKeptByLanes) {
  constexpr uint64_t fresh_seeds = 50;
  for (const Installation installation : {Installation::everything, Installation::changing}) {
    for (const uint32_t lanes : {2U, 3U}) {
      for (const bool storm : {false, true}) {
        const Plan first{std::random_device()(), steps, installation, PlantedLie::none, {}, lanes, storm};
        std::cout << fresh_seeds << " seeds of " << to_string(installation) << " on " << lanes << " lanes"
                  << (storm ? " in a storm" : "") << " from " << first.seed << "\n";
        Totals totals;
        const std::optional<Plan> failed = first_that_fails(first, fresh_seeds, totals);
        ASSERT_FALSE(failed.has_value()) << explain_failure(*failed, testing::TempDir());
        EXPECT_GT(totals.delivered, fresh_seeds * steps / 40);
        EXPECT_GT(totals.dead, fresh_seeds / 4);
      }
    }
  }
}

TEST(Scenarios, HaveEveryRouterAmongThem) {
  std::set<std::string> had;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    const Scenario scenario(random, Installation::all_routers);
    for (uint32_t id = 0; id < scenario.dispatcher_count(); ++id) had.insert(scenario.router_class(id));
  }
  const RouterRegistry registry;
  for (const RouterClass& router : registry.all()) EXPECT_TRUE(had.contains(std::string(router.name))) << router.name;
}

TEST_F(SimulationTest, RunsThatOnceFoundAFault) {
  std::ifstream file(SIGNALBOX_SIMULATION_FOLDER "/failed_runs.txt");
  uint64_t runs = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    if (!(words >> name) || name[0] == '#') continue;
    Plan plan;
    words >> plan.steps >> plan.seed;
    ASSERT_TRUE(installation_named(name) && words) << line;
    plan.installation = *installation_named(name);
    Simulation simulation(plan);
    EXPECT_TRUE(simulation.run()) << line << "\n" << simulation.report();
    ++runs;
  }
  EXPECT_GT(runs, 0U);
}

TEST_F(SimulationTest, ShortenedRunsThatOnceFoundAFault) {
  uint64_t runs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SIGNALBOX_SIMULATION_FOLDER "/replays")) {
    std::ifstream file(entry.path());
    std::string fault;
    const std::optional<Plan> plan = read_plan(std::string(std::istreambuf_iterator<char>(file), {}), fault);
    ASSERT_TRUE(plan.has_value()) << entry.path() << ": " << fault;
    Simulation simulation(*plan);
    EXPECT_TRUE(simulation.run()) << entry.path() << "\n" << simulation.report();
    ++runs;
  }
  EXPECT_GT(runs, 0U);
}

TEST_F(SimulationTest, OneSeedIsOneRun) {
  Simulation one(7, 500);
  Simulation other(7, 500);
  ASSERT_TRUE(one.run()) << one.report();
  ASSERT_TRUE(other.run()) << other.report();
  EXPECT_EQ(one.report(), other.report());
  EXPECT_EQ(one.delivered(), other.delivered());
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
    Simulation simulation(Plan{seed, 1000, Installation::one_dispatcher, GetParam(), {}});
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
