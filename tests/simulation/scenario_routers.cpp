// The routers that an installation `all_routers` has beside those of `everything`.
//
// The model asks a routing of its own what each of them decides (model_twin.cpp), so all that they need here is their
// settings, in the sizes of the invented installation: transports are reached by the addresses 8000, 8001 and so on.
#include <algorithm>

#include "tests/simulation/invented_settings.hpp"
#include "tests/simulation/message.hpp"
#include "tests/simulation/scenario.hpp"

namespace signalbox::simulation {
namespace {

Setting flag_setting(std::string key, bool boolean) {
  Setting setting;
  setting.type = Setting::Type::boolean;
  setting.key = std::move(key);
  setting.boolean = boolean;
  return setting;
}

Setting array_setting(std::string key, std::vector<Setting> items) {
  Setting setting;
  setting.type = Setting::Type::array;
  setting.key = std::move(key);
  setting.items = std::move(items);
  return setting;
}

using Names = std::vector<std::string>;

// Each of `from` with one of `to`, by chance; now and then one is left out, and has no entry.
Setting pairs(Random& random, std::string key, const Names& from, const Names& to) {
  std::vector<Setting> items;
  for (const std::string& name : from)
    if (items.empty() || !random.chance(100)) items.push_back(text_setting(name, to[random.below(to.size())]));
  return table_setting(std::move(key), std::move(items));
}

std::vector<Setting> multiplex(const Names& transports) {
  std::vector<Setting> items;
  for (size_t i = 0; i < transports.size(); ++i) items.push_back(text_setting(numbered("800", i), transports[i]));
  return {table_setting("fromaddr_mappings", std::move(items))};
}

std::vector<Setting> by_expression(Random& random, const Names& applications) {
  std::vector<Setting> items;
  for (size_t i = 0; i < applications.size(); ++i) {
    const Setting config = table_setting("config", {text_setting("regular_expression", numbered("0", i) + "$"),
                                                    flag_setting("default", random.chance(500))});
    items.push_back(table_setting("", {text_setting("id", applications[i]), config}));
  }
  return {text_setting("channel", ""), array_setting("destinations", std::move(items))};
}

std::vector<Setting> by_pattern(Random& random, const Names& applications) {
  std::vector<Setting> items;
  for (uint64_t i = random.between(1, 4); i > 0; --i)
    items.push_back(table_setting("", {text_setting("name", applications[random.below(applications.size())]),
                                       text_setting("pattern", numbered("800", i))}));
  std::vector<Setting> given{array_setting("to_address_mappings", std::move(items))};
  if (random.chance(700)) given.push_back(text_setting("default_app", applications.back()));
  return given;
}

// Transports go on under an endpoint of the table's own, which has a row for the way back.
std::vector<Setting> by_table(Random& random, const Names& transports, const Names& applications) {
  std::vector<Setting> rows;
  const auto target = [&random](const char* endpoint, const Names& names, const char* next) {
    return list_setting(endpoint, {names[random.below(names.size())], next});
  };
  for (const std::string& transport : transports)
    rows.push_back(table_setting(transport, {target("default", applications, "back")}));
  for (const std::string& application : applications)
    rows.push_back(
        table_setting(application, {target("default", transports, "default"), target("back", transports, "default")}));
  return {table_setting("routing_table", std::move(rows))};
}

std::vector<Setting> across(Random& random, const Names& transports) {
  std::vector<Setting> items;
  for (const std::string& transport : transports) {
    // Each target once: two copies of one message at one endpoint could not be told apart.
    const size_t first = random.below(transports.size());
    Names targets{transports[first]};
    if (transports.size() > 1 && random.chance(400)) targets.push_back(transports[(first + 1) % transports.size()]);
    items.push_back(list_setting(transport, targets));
  }
  return {table_setting("routing_mappings", std::move(items))};
}

}  // namespace

// False: this dispatcher is to have one of the others.
bool Scenario::choose_further_router(Random& random, uint32_t id) {
  Names transports;
  Names applications;
  for (const EndpointId endpoint : endpoints_of(id, Role::transport)) transports.push_back(endpoints_[endpoint].name);
  for (const EndpointId endpoint : endpoints_of(id, Role::application))
    applications.push_back(endpoints_[endpoint].name);
  Dispatcher& dispatcher = dispatchers_[id];
  const auto give = [&dispatcher](const char* router_class, std::vector<Setting> given) {
    dispatcher.router_class = router_class;
    dispatcher.given = std::move(given);
    return true;
  };
  if (random.chance(300)) dispatcher.provider = numbered("provider ", id);
  switch (random.below(9)) {
    case 0:
      return applications.size() == 1 && give("FromAddrMultiplexRouter", multiplex(transports));
    case 1:
      return transports.size() == 1 && give("FromAddressRouter", by_expression(random, applications));
    case 2:
    case 3:
      return give(random.chance(500) ? "RedirectRouter" : "RedirectOutboundRouter",
                  {pairs(random, "redirect_inbound", transports, applications),
                   pairs(random, "redirect_outbound", applications, transports)});
    case 4:
      return give("RoutingTableDispatcher", by_table(random, transports, applications));
    case 5:
      return give("ToAddressRouter", by_pattern(random, applications));
    case 6:
      return give("TransportToTransportRouter", across(random, transports));
    default:
      return false;
  }
}

}  // namespace signalbox::simulation
