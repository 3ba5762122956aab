// routing_mappings: who gets what comes from a transport. Read once, then asked for each message.
//
// The names of this dispatcher's transports are resolved while the table is read, into a vector indexed by endpoint, so
// that the hot path is one indexed load. Names that only relays carry are looked up by their text.
//
// Thread: one; constant once read. Owns: its tables. Bounds: as large as the configuration; limits::targets_max
// targets for one transport.
// Tested by simple_dispatch_router_test.cpp, and through the routers that use it.
#pragma once

#include <string_view>
#include <vector>

#include "routers/router.hpp"
#include "routers/text_map.hpp"

namespace signalbox {

class TargetsByTransport {
 public:
  // Takes {transport: target or targets}, targets being endpoints of role `targets`. Faults go to `setup`. `mappings`
  // may be null or no table: then there are no rules. Transports that are listed and have no rule get a warning, which
  // says that `what` will be refused.
  void read(RouterSetup& setup, const Setting* mappings, Role targets, std::string_view what = "what comes from there");

  // The targets for the message's transport, in order; null where there is no rule for it.
  const std::vector<EndpointId>* find(const Incoming& incoming) const;

  // Names the targets as the message's; without a rule it is refused, no_route, in words.
  void decide(const Incoming& incoming, Decision& decision) const;

  // For `check`: a row a target, and a refusal for each transport without a rule.
  void add_routes(const RouterSetup& setup, const Setting* mappings, std::string_view what, std::string_view condition,
                  std::vector<Route>& routes) const;

 private:
  std::vector<std::vector<EndpointId>> by_transport_;  // by transport's endpoint; empty: no rule
  TextMap<std::vector<EndpointId>> by_name_;           // by a name that only relays carry
};

}  // namespace signalbox
