// Failing runs are made short, and a short run is a file that replays.
#include "tests/simulation/shrinking.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "broker/core/planted_fault.hpp"
#include "tests/simulation/simulation.hpp"

namespace signalbox::simulation {
namespace {

constexpr uint64_t steps = 2000;

using FaultSomewhere = std::pair<PlantedFault, Installation>;

class ShrinkingTest : public testing::TestWithParam<FaultSomewhere> {
 protected:
  void TearDown() override { planted_fault = PlantedFault::none; }

  // Three runs that fail late, so that there is something to leave out.
  static std::vector<Plan> late_failures(Installation installation) {
    std::vector<Plan> plans;
    for (uint64_t seed = 1; seed < 1000 && plans.size() < 3; ++seed) {
      const Plan plan{seed, steps, installation, PlantedLie::none, {}};
      const RunResult result = run_apart(plan);
      if (result.failed && result.step > steps / 4) plans.push_back(plan);
    }
    return plans;
  }
};

TEST_P(ShrinkingTest, FailingRunsAreMadeShort) {
  planted_fault = GetParam().first;
  const std::vector<Plan> plans = late_failures(GetParam().second);
  ASSERT_EQ(plans.size(), 3U) << "too few runs fail late";
  std::vector<size_t> steps_left;
  for (const Plan& plan : plans) {
    planted_fault = GetParam().first;
    const RunResult whole = run_apart(plan);
    const Shortened shortened = shorten(plan);
    ASSERT_TRUE(shortened.plan.kept.has_value());
    EXPECT_LT(shortened.plan.kept->size(), whole.step / 8) << shortened.result.report;
    EXPECT_EQ(shortened.result.kind, whole.kind);
    steps_left.push_back(shortened.plan.kept->size());

    // From its file it fails in the same way, and without the fault it does not.
    std::string fault;
    const std::optional<Plan> read = read_plan(to_text(shortened.plan, "a comment\nof two lines"), fault);
    ASSERT_TRUE(read.has_value()) << fault;
    EXPECT_EQ(run_apart(*read).report, shortened.result.report);
    planted_fault = PlantedFault::none;
    const RunResult sound = run_apart(*read);
    EXPECT_FALSE(sound.failed) << sound.report;
  }
  // Now and then one ends where no single step can be left out, with more than it needs; not two of three.
  std::ranges::sort(steps_left);
  EXPECT_LT(steps_left[1], 40U) << "the median; the longest is " << steps_left[2];
}

INSTANTIATE_TEST_SUITE_P(
    Each, ShrinkingTest,
    testing::Values(FaultSomewhere{PlantedFault::requeued_at_the_tail, Installation::one_dispatcher},
                    FaultSomewhere{PlantedFault::delivery_lost_on_loss, Installation::one_dispatcher},
                    FaultSomewhere{PlantedFault::late_ack_forgotten, Installation::changing}));

TEST(Shrinking, ARunThatIsSoundStaysAsItIs) {
  const Shortened shortened = shorten(Plan{1, 200, Installation::one_dispatcher, PlantedLie::none, {}});
  EXPECT_FALSE(shortened.result.failed);
  EXPECT_FALSE(shortened.plan.kept.has_value());
}

TEST(Shrinking, AFileThatIsNoRunIsNamed) {
  std::string fault;
  EXPECT_FALSE(read_plan("seed 1\nstep 2 3\n", fault).has_value());
  EXPECT_EQ(fault, "line 2 is no part of a run: step 2 3");
  EXPECT_FALSE(read_plan("steps 5\n", fault).has_value());
  EXPECT_EQ(fault, "no seed is given");
}

}  // namespace
}  // namespace signalbox::simulation
