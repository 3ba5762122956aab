// The simulation against a core with a fault in it: if no seed finds it, the simulation is not worth its time.
#include "broker/core/planted_fault.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/simulation/shrinking.hpp"

namespace signalbox::simulation {
namespace {

constexpr uint64_t seeds_max = 200;

// The first seed whose run breaks a promise, or ends in an assertion of the core.
std::optional<uint64_t> first_seed_that_fails(Installation installation, uint32_t lanes_in_a_storm = 0) {
  Totals totals;
  const Plan first{1, 1000, installation, PlantedLie::none, {}, lanes_in_a_storm, lanes_in_a_storm > 0};
  const std::optional<Plan> failed = first_that_fails(first, seeds_max, totals);
  return failed ? std::optional(failed->seed) : std::nullopt;
}

class PlantedFaultTest : public testing::TestWithParam<PlantedFault> {
 protected:
  void SetUp() override { planted_fault = GetParam(); }
  void TearDown() override { planted_fault = PlantedFault::none; }
};

// Where nothing takes too long and nothing is reloaded, some cannot show.
bool shows_in(Installation installation, PlantedFault fault) {
  const bool of_time = fault == PlantedFault::late_ack_forgotten || fault == PlantedFault::old_times_after_reload;
  return installation == Installation::changing || !of_time;
}

// Nor where there is one core only.
uint32_t lanes_for(PlantedFault fault) {
  return fault == PlantedFault::parcel_lost || fault == PlantedFault::waiting_lane_forgotten ? 3 : 0;
}

TEST_P(PlantedFaultTest, IsFoundWithinTwoHundredSeeds) {
  for (const Installation installation :
       {Installation::one_dispatcher, Installation::everything, Installation::changing}) {
    if (!shows_in(installation, GetParam())) continue;
    const std::optional<uint64_t> seed = first_seed_that_fails(installation, lanes_for(GetParam()));
    EXPECT_TRUE(seed.has_value()) << to_string(installation);
    RecordProperty(std::string(to_string(installation)), std::to_string(seed.value_or(0)));
  }
}

std::string name_of(const testing::TestParamInfo<PlantedFault>& info) {
  static constexpr const char* names[] = {"",
                                          "LostConfirmation",
                                          "AckOffByOne",
                                          "RequeuedAtTheTail",
                                          "WindowNotEnforced",
                                          "DoubleDeliveryOnTakeover",
                                          "RunFreedEarly",
                                          "DeliveryLostOnLoss",
                                          "LateAckForgotten",
                                          "OldTimesAfterReload",
                                          "ParcelLost",
                                          "WaitingLaneForgotten",
                                          "LastWordsUnheard"};
  return names[static_cast<size_t>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Each, PlantedFaultTest,
                         testing::Values(PlantedFault::lost_confirmation, PlantedFault::ack_off_by_one,
                                         PlantedFault::requeued_at_the_tail, PlantedFault::window_not_enforced,
                                         PlantedFault::double_delivery_on_takeover, PlantedFault::run_freed_early,
                                         PlantedFault::delivery_lost_on_loss, PlantedFault::late_ack_forgotten,
                                         PlantedFault::old_times_after_reload, PlantedFault::parcel_lost,
                                         PlantedFault::waiting_lane_forgotten, PlantedFault::last_words_unheard),
                         name_of);

// The same build without a fault: so it is the faults that are found, and not the build.
TEST(NoPlantedFault, NothingIsFound) {
  EXPECT_EQ(first_seed_that_fails(Installation::one_dispatcher), std::nullopt);
  EXPECT_EQ(first_seed_that_fails(Installation::everything), std::nullopt);
  EXPECT_EQ(first_seed_that_fails(Installation::changing), std::nullopt);
  EXPECT_EQ(first_seed_that_fails(Installation::changing, 3), std::nullopt);
}

}  // namespace
}  // namespace signalbox::simulation
