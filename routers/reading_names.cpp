#include "routers/reading_names.hpp"

#include <string>

#include "protocol/limits.hpp"

namespace signalbox {

namespace {

// How a fault speaks of an endpoint of that role, and of the list that it should be in.
struct Words {
  std::string_view one;
  std::string_view with_article;
  std::string_view list;
};

Words words(Role role) {
  if (role == Role::transport) return {"transport", "a transport", "transport_names"};
  return {"application", "an application", "exposed_names"};
}

Role other(Role role) {
  return role == Role::transport ? Role::application : Role::transport;
}

std::optional<EndpointId> find(const RouterSetup& setup, std::string_view name, Role role) {
  return role == Role::transport ? setup.transport(name) : setup.application(name);
}

const std::vector<std::string>& names(const RouterSetup& setup, Role role) {
  return role == Role::transport ? setup.transports() : setup.applications();
}

// Some routers list their endpoints under other keys.
std::string not_listed(RouterSetup& setup, const Words& wanted) {
  if (setup.find(wanted.list) == nullptr) return " is no " + std::string(wanted.one) + " of this dispatcher";
  return " is not in " + std::string(wanted.list);
}

}  // namespace

bool is_table(RouterSetup& setup, const Setting* setting, std::string_view key) {
  if (setting == nullptr) return false;
  if (setting->type == Setting::Type::table) return true;
  setup.fault(setting->position,
              std::string(key) + " must be a table of names, not " + std::string(to_string(setting->type)));
  return false;
}

bool is_text(RouterSetup& setup, const Setting* setting, std::string_view what) {
  if (setting == nullptr) return false;
  if (setting->type != Setting::Type::text) {
    setup.fault(setting->position,
                std::string(what) + " must be a string, not " + std::string(to_string(setting->type)));
    return false;
  }
  if (!setting->text.empty()) return true;
  setup.fault(setting->position, std::string(what) + " must not be empty");
  return false;
}

std::optional<EndpointId> read_only_application(RouterSetup& setup) {
  const Setting* listed = setup.require("exposed_names");
  if (listed == nullptr || listed->type != Setting::Type::array) return std::nullopt;
  if (listed->items.size() != 1) {
    setup.fault(listed->position, "this router serves exactly one application, and exposed_names has " +
                                      std::to_string(listed->items.size()));
    return std::nullopt;
  }
  if (setup.applications().empty()) return std::nullopt;  // no legal name; that has been said
  return setup.application(setup.applications().front());
}

bool read_flag(RouterSetup& setup, const Setting* setting, std::string_view key, bool otherwise) {
  if (setting == nullptr) return otherwise;
  if (setting->type == Setting::Type::boolean) return setting->boolean;
  setup.fault(setting->position,
              std::string(key) + " must be true or false, not " + std::string(to_string(setting->type)));
  return otherwise;
}

std::optional<EndpointId> read_endpoint(RouterSetup& setup, const Setting& item, Role role) {
  const Words wanted = words(role);
  if (item.type != Setting::Type::text) {
    setup.fault(item.position,
                std::string(wanted.with_article) + "'s name is needed here, not " + std::string(to_string(item.type)));
    return std::nullopt;
  }
  if (const auto endpoint = find(setup, item.text, role)) return endpoint;
  if (item.text.empty()) {
    setup.fault(item.position, "a name must not be empty");
  } else if (find(setup, item.text, other(role))) {
    setup.fault(item.position, in_quotes(item.text) + " is " + std::string(words(other(role)).with_article) + "; " +
                                   std::string(wanted.with_article) + " is needed here");
  } else if (!names(setup, role).empty() || (role == Role::application && setup.find(wanted.list) != nullptr)) {
    // Where there is no list at all, that is the fault, and it has been said.
    setup.unknown_name(item.position, in_quotes(item.text) + not_listed(setup, wanted), item.text, names(setup, role));
  }
  return std::nullopt;
}

std::vector<EndpointId> read_endpoints(RouterSetup& setup, const Setting& entry, Role role) {
  const Words wanted = words(role);
  std::vector<EndpointId> endpoints;
  if (entry.type == Setting::Type::array) {
    if (entry.items.empty()) {
      setup.fault(entry.position,
                  "the list of " + std::string(wanted.one) + "s for " + in_quotes(entry.key) + " is empty");
    }
    for (const Setting& item : entry.items) {
      if (const auto endpoint = read_endpoint(setup, item, role)) endpoints.push_back(*endpoint);
    }
  } else if (entry.type == Setting::Type::text) {
    if (const auto endpoint = read_endpoint(setup, entry, role)) endpoints.push_back(*endpoint);
  } else {
    setup.fault(entry.position, std::string(wanted.with_article) + "'s name, or a list of them, is needed here, not " +
                                    std::string(to_string(entry.type)));
  }
  if (endpoints.size() > limits::targets_max) {
    setup.fault(entry.position, "a message can go to at most " + std::to_string(limits::targets_max) + " " +
                                    std::string(wanted.one) + "s, and here are " + std::to_string(endpoints.size()));
  }
  return endpoints;
}

bool is_source(RouterSetup& setup, const Setting& entry) {
  if (setup.transport(entry.key)) return true;
  if (entry.key.empty()) {
    setup.fault(entry.key_position, "a name must not be empty");
  } else if (setup.application(entry.key)) {
    setup.fault(entry.key_position, in_quotes(entry.key) + " is an application; a transport is needed here");
  } else if (setup.has_relays()) {
    return true;
  } else if (!setup.transports().empty()) {  // else that is the fault, and has been said
    setup.unknown_name(entry.key_position, in_quotes(entry.key) + " is not in transport_names", entry.key,
                       setup.transports());
  }
  return false;
}

const Setting* find_routing_mappings(RouterSetup& setup, bool required) {
  const Setting* routing = setup.find("routing_mappings");
  const Setting* route = setup.find("route_mappings");
  if (routing != nullptr && route != nullptr) {
    const bool route_is_second = routing < route;  // a table's items stand in the order of the file
    setup.fault((route_is_second ? route : routing)->key_position,
                "routing_mappings and route_mappings are one key; give one of them");
    return routing;
  }
  if (route != nullptr) return route;
  return routing != nullptr || !required ? routing : setup.require("routing_mappings");
}

}  // namespace signalbox
