// Outbound as SimpleDispatchRouter has it, and the routers that say "as Simple": a reply goes where the original came
// from; else transport_mappings[transport_name], one hop, or transport_name itself, is the transport. Nothing is
// rewritten. What is no transport is refused, unknown_endpoint.
//
// Thread: one; constant once read. Owns: its tables. Bounds: as large as the configuration.
// Tested by simple_dispatch_router_test.cpp, and through the routers that use it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "routers/router.hpp"
#include "routers/text_map.hpp"

namespace signalbox {

class OutboundByName {
 public:
  // Takes the dispatcher's transports and its transport_mappings {name: transport}, where it has any. Faults go to
  // `setup`.
  void read(RouterSetup& setup);

  void decide(const Incoming& incoming, Decision& decision) const;

  // For `check`.
  void add_routes(RouterSetup& setup, std::vector<Route>& routes) const;

 private:
  std::optional<EndpointId> transport_for(const Incoming& incoming) const;

  std::vector<EndpointId> by_transport_;  // by transport's endpoint: itself, or what it is mapped to
  std::vector<std::string> names_;        // by the same
  TextMap<EndpointId> by_name_;           // by a name that is no transport
};

}  // namespace signalbox
