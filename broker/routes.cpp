#include "broker/routes.hpp"

namespace signalbox {

namespace {

std::vector<std::string> names_of(const std::vector<NamedMiddleware>& pieces, const std::vector<size_t>& places) {
  std::vector<std::string> names;
  names.reserve(places.size());
  for (const size_t place : places) names.push_back(pieces[place].name);
  return names;
}

void add_endpoint(const EndpointSettings& endpoint, const Settings& settings, RouteMap& map) {
  MappedEndpoint mapped{.name = endpoint.name, .relay = endpoint.relay, .joined = std::nullopt};
  if (endpoint.joint) mapped.joined = settings.endpoints[*endpoint.joint].dispatcher;
  MappedDispatcher& dispatcher = map.dispatchers[endpoint.dispatcher];
  if (endpoint.role == Role::transport) {
    dispatcher.transports.push_back(std::move(mapped));
    return;
  }
  if (mapped.joined) map.joints.push_back({endpoint.name, endpoint.dispatcher, *mapped.joined});
  dispatcher.applications.push_back(std::move(mapped));
}

}  // namespace

RouteMap map_routes(const Configuration& configuration) {
  const Settings& settings = configuration.settings;
  RouteMap map;
  for (const DispatcherSettings& dispatcher : settings.dispatchers) {
    map.dispatchers.push_back({.name = dispatcher.name,
                               .router_class = dispatcher.router_class,
                               .dead_letters = settings.endpoints[dispatcher.dead_letters].name,
                               .reply_tracking = dispatcher.reply_tracking,
                               .transports = {},
                               .applications = {},
                               .entering = names_of(dispatcher.middleware, dispatcher.entering),
                               .leaving = names_of(dispatcher.middleware, dispatcher.leaving),
                               .routes = dispatcher.router->routes()});
  }
  for (const EndpointSettings& endpoint : settings.endpoints) {
    if (!endpoint.dead_letters) add_endpoint(endpoint, settings, map);
  }
  return map;
}

}  // namespace signalbox
