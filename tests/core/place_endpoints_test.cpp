// Which endpoint is on which lane.
#include <gtest/gtest.h>

#include "broker/core/lane_board.hpp"

namespace signalbox {
namespace {

class ToTheFirst final : public Router {
 public:
  explicit ToTheFirst(bool keeps_state) : keeps_state_(keeps_state) {}
  void inbound(const Incoming&, Decision& decision) override { decision.deliver(0); }
  void event(const Incoming&, Decision& decision) override { decision.deliver(0); }
  void outbound(const Incoming&, Decision& decision) override { decision.deliver(0); }
  bool keeps_state() const override { return keeps_state_; }
  std::vector<Route> routes() const override { return {}; }

 private:
  const bool keeps_state_;
};

DispatcherSettings dispatcher(bool keeps_state) {
  DispatcherSettings settings;
  settings.router = std::make_unique<ToTheFirst>(keeps_state);
  return settings;
}

void add(Settings& settings, uint32_t to, std::optional<EndpointId> joint = std::nullopt, bool dead_letters = false) {
  EndpointSettings endpoint;
  endpoint.name = "endpoint " + std::to_string(settings.endpoints.size());
  endpoint.dispatcher = to;
  endpoint.joint = joint;
  endpoint.dead_letters = dead_letters;
  settings.endpoints.push_back(std::move(endpoint));
}

using Placed = std::vector<uint32_t>;

TEST(PlaceEndpoints, GoesRoundTheLanes) {
  Settings settings;
  settings.dispatchers.push_back(dispatcher(false));
  for (int i = 0; i < 5; ++i) add(settings, 0);
  EXPECT_EQ(place_endpoints(settings, 2, {}), (Placed{0, 1, 0, 1, 0}));
  EXPECT_EQ(place_endpoints(settings, 1, {}), (Placed{0, 0, 0, 0, 0}));
  EXPECT_EQ(place_endpoints(settings, 4, {0, 0, 3}), (Placed{0, 0, 3, 3, 0})) << "what stands stays";
}

TEST(PlaceEndpoints, KeepsADispatcherWithStateTogether) {
  Settings settings;
  settings.dispatchers.push_back(dispatcher(false));
  settings.dispatchers.push_back(dispatcher(true));
  for (const uint32_t to : {0U, 1U, 0U, 1U, 1U}) add(settings, to);
  add(settings, 1, std::nullopt, true);
  const auto placed = place_endpoints(settings, 3, {});
  ASSERT_TRUE(placed.has_value());
  EXPECT_EQ((*placed)[1], (*placed)[3]);
  EXPECT_EQ((*placed)[1], (*placed)[4]);
  EXPECT_NE((*placed)[0], (*placed)[2]) << "the other dispatcher is spread";
  EXPECT_NE((*placed)[5], (*placed)[4]) << "dead letters are routed by nobody";
}

// Dispatchers 0 - 1 - 2 are a chain; only the last keeps state.
Settings chain_of_three() {
  Settings settings;
  for (const bool keeps_state : {false, false, true, false}) settings.dispatchers.push_back(dispatcher(keeps_state));
  add(settings, 0);
  add(settings, 0, 2);
  add(settings, 1, 1);
  add(settings, 1, 4);
  add(settings, 2, 3);
  add(settings, 2);
  add(settings, 3);
  return settings;
}

TEST(PlaceEndpoints, KeepsAChainTogetherWhereOneOfItKeepsState) {
  const Settings settings = chain_of_three();
  const auto placed = place_endpoints(settings, 2, {});
  ASSERT_TRUE(placed.has_value());
  for (size_t id = 1; id < 6; ++id) EXPECT_EQ((*placed)[id], (*placed)[0]) << id;
  EXPECT_NE((*placed)[6], (*placed)[0]) << "who is not chained with them is not put there";
}

TEST(PlaceEndpoints, AddsToAChainWhereItIs) {
  Settings settings = chain_of_three();
  Placed before = place_endpoints(settings, 2, {}).value();
  add(settings, 1);
  EXPECT_EQ(place_endpoints(settings, 2, before)->back(), before[0]);
}

TEST(PlaceEndpoints, MovesNobody) {
  Settings settings;
  settings.dispatchers.push_back(dispatcher(false));
  add(settings, 0);
  add(settings, 0);
  const Placed before = place_endpoints(settings, 2, {}).value();
  settings.dispatchers[0] = dispatcher(true);
  EXPECT_EQ(place_endpoints(settings, 2, before), std::nullopt);
  EXPECT_EQ(place_endpoints(settings, 1, {0, 0}), (Placed{0, 0}));

  // Nor two dispatchers that are chained from now on.
  settings.dispatchers[0] = dispatcher(false);
  settings.dispatchers.push_back(dispatcher(true));
  add(settings, 1);
  const Placed apart{0, 1, 1};
  EXPECT_EQ(place_endpoints(settings, 2, apart), apart);
  settings.endpoints[0].joint = 2;
  EXPECT_EQ(place_endpoints(settings, 2, apart), std::nullopt);
  settings.endpoints[0].joint.reset();
  settings.endpoints[2].removed = true;
  EXPECT_EQ(place_endpoints(settings, 2, apart), apart);
}

}  // namespace
}  // namespace signalbox
