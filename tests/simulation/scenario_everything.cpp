// Installations with everything in them: trees and diamonds of dispatchers, routers of five kinds, middleware.
//
// Where two ways come together again, the pieces of middleware on them differ, so that an endpoint's two copies of one
// message can be told apart.
#include <algorithm>

#include "tests/simulation/invented_settings.hpp"
#include "tests/simulation/message.hpp"
#include "tests/simulation/scenario.hpp"

namespace signalbox::simulation {

void Scenario::make_everything(Random& random) {
  rough_ = twin_ = true;
  if (random.chance(250)) {
    make_diamond(random);
  } else {
    make_tree(random);
  }
}

void Scenario::add_workers(Random& random, uint32_t dispatcher, uint64_t transports, uint64_t applications) {
  const auto add = [&](const char* prefix, Role role) {
    endpoints_.push_back(make_endpoint(random, numbered(prefix, endpoints_.size()), role));
    endpoints_.back().dispatcher = dispatcher;
  };
  for (; transports > 0; --transports) add("transport_", Role::transport);
  for (; applications > 0; --applications) add("application_", Role::application);
}

// 0 forks to 1 and 2, and both lead to 3.
void Scenario::make_diamond(Random& random) {
  dispatchers_.resize(4);
  for (Dispatcher& dispatcher : dispatchers_) dispatcher.reply_tracking = !random.chance(100);
  add_workers(random, 0, random.between(1, 2), random.below(2));
  add_workers(random, 3, 0, random.between(1, 2));
  // Workers stand in front, so that those of 0 and 3 are found by their place.
  transport_count_ = endpoints_of(0, Role::transport).size();
  join(0, 1);
  join(0, 2);
  join(1, 3);
  join(2, 3);
  add_dead_letters(random);
  for (const uint32_t side : {1U, 2U}) {
    dispatchers_[side].provider = numbered("way ", side);
    dispatchers_[side].router_class = "ToAddrRouter";
    Setting patterns = table_setting("toaddr_mappings");
    patterns.items.push_back(text_setting(endpoints_[endpoints_of(side, Role::application).front()].name, ".*"));
    dispatchers_[side].given = {patterns};
  }
  for (const uint32_t end : {0U, 3U})
    for (const EndpointId transport : endpoints_of(end, Role::transport))
      dispatchers_[end].mapping[endpoints_[transport].name] = endpoints_of(end, Role::application);
  if (has_relays(0)) dispatchers_[0].mapping["foreign"] = endpoints_of(0, Role::application);
}

void Scenario::make_tree(Random& random) {
  const auto count = static_cast<uint32_t>(random.between(1, 3));
  dispatchers_.resize(count);
  // Transports first: workers name them by their place.
  for (uint32_t dispatcher = 0; dispatcher < count; ++dispatcher) {
    dispatchers_[dispatcher].reply_tracking = !random.chance(100);
    add_workers(random, dispatcher, random.between(1, 3), 0);
  }
  transport_count_ = endpoints_.size();
  for (uint32_t dispatcher = 0; dispatcher < count; ++dispatcher)
    add_workers(random, dispatcher, 0, random.between(1, 3));
  for (uint32_t dispatcher = 1; dispatcher < count; ++dispatcher)
    if (random.chance(700)) join(static_cast<uint32_t>(random.below(dispatcher)), dispatcher);
  add_dead_letters(random);
  for (uint32_t dispatcher = 0; dispatcher < count; ++dispatcher) choose_router(random, dispatcher);
}

void Scenario::choose_router(Random& random, uint32_t id) {
  if (all_routers_ && choose_further_router(random, id)) return;
  Dispatcher& dispatcher = dispatchers_[id];
  const std::vector<EndpointId> transports = endpoints_of(id, Role::transport);
  const std::vector<EndpointId> applications = endpoints_of(id, Role::application);
  const auto name = [this](EndpointId endpoint) { return endpoints_[endpoint].name; };
  if (random.chance(300)) dispatcher.provider = numbered("provider ", id);
  Setting addresses = table_setting("transport_mappings");
  for (size_t i = 0; i < transports.size(); ++i)
    addresses.items.push_back(text_setting(numbered("800", i), name(transports[i])));

  const uint64_t choice = random.below(5);
  if (choice == 0 && applications.size() == 1) {
    dispatcher.router_class = "LoadBalancingRouter";
    Setting affinity = text_setting("reply_affinity", "");
    affinity.type = Setting::Type::boolean;
    affinity.boolean = random.chance(500);
    dispatcher.given = {affinity};
  } else if (choice == 1) {
    dispatcher.router_class = "ContentKeywordRouter";
    Setting keywords = table_setting("keyword_mappings");
    static constexpr const char* words[] = {"stop", "help", "go"};
    for (size_t i = 0; i < std::min<size_t>(applications.size(), std::size(words)); ++i)
      keywords.items.push_back(text_setting(name(applications[i]), words[i]));
    dispatcher.given = {keywords, text_setting("fallback_application", name(applications.back())), addresses};
  } else if (choice == 2) {
    dispatcher.router_class = "ToAddrRouter";
    Setting patterns = table_setting("toaddr_mappings");
    for (size_t i = 0; i < applications.size(); ++i)
      patterns.items.push_back(text_setting(name(applications[i]), i == 0 ? "8.*" : numbered("800", i)));
    dispatcher.given = {patterns, addresses};
  } else if (choice == 3) {
    dispatcher.router_class = "UserGroupingRouter";
    Setting groups = table_setting("group_mappings");
    for (size_t i = 0; i < applications.size(); ++i)
      groups.items.push_back(text_setting(numbered("group", i), name(applications[i])));
    dispatcher.given = {groups};
  } else {
    for (const EndpointId transport : transports) map_transport(random, endpoints_[transport], applications);
    if (has_relays(id)) dispatcher.mapping["foreign"].push_back(applications.back());
  }
}

}  // namespace signalbox::simulation
