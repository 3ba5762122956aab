// What a configuration that has no fault routes, gathered as data: dispatchers, their endpoints, middleware and routes,
// and the joints between them. `signalbox check` writes it as a table, as JSON or as a drawing.
//
// Thread: any; no state. Owns: copies of all texts, so it may outlive the configuration.
// Tested by tests/configuration/check_test.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/configuration.hpp"

namespace signalbox {

// An endpoint of a dispatcher. `joined` is the dispatcher on its other side, a place in RouteMap::dispatchers.
struct MappedEndpoint {
  std::string name;
  bool relay = false;
  std::optional<uint32_t> joined;
};

struct MappedDispatcher {
  std::string name;
  std::string router_class;
  std::string dead_letters;  // where they go
  bool reply_tracking = true;
  std::vector<MappedEndpoint> transports;  // in the order of the configuration
  std::vector<MappedEndpoint> applications;
  std::vector<std::string> entering;  // the names of its middleware, in the order in which it sees what enters
  std::vector<std::string> leaving;   // and what leaves
  std::vector<Route> routes;          // as the router says them
};

// A name that joins two dispatchers, places in RouteMap::dispatchers.
struct MappedJoint {
  std::string name;
  uint32_t exposed_by = 0;
  uint32_t transport_of = 0;
};

struct RouteMap {
  std::vector<MappedDispatcher> dispatchers;
  std::vector<MappedJoint> joints;
};

[[nodiscard]] RouteMap map_routes(const Configuration& configuration);

}  // namespace signalbox
