#include "routers/registry.hpp"

#include <algorithm>
#include <array>

#include "routers/built_in.hpp"

namespace signalbox {

namespace {

// The keys of the routers that are documented but not here yet, so that a configuration written for one of them is told
// what it is written for. A row goes when its router comes.
struct PlannedRouter {
  std::string_view name;
  std::array<std::string_view, 6> keys;
};
constexpr PlannedRouter planned_routers[] = {
    {"TransportToTransportRouter", {"routing_mappings", "route_mappings"}},
    {"ToAddrRouter", {"toaddr_mappings", "transport_mappings"}},
    {"FromAddrMultiplexRouter", {"fromaddr_mappings"}},
    {"UserGroupingRouter",
     {"group_mappings", "dispatcher_name", "transport_mappings", "routing_mappings", "route_mappings"}},
    {"ContentKeywordRouter",
     {"rules", "keyword_mappings", "fallback_application", "transport_mappings", "dispatcher_name"}},
    {"RedirectRouter", {"redirect_inbound", "redirect_outbound"}},
    {"RedirectOutboundRouter", {"redirect_inbound", "redirect_outbound"}},
    {"LoadBalancingRouter", {"reply_affinity", "rewrite_transport_names", "rewrite_transport_name"}},
    {"RoutingTableDispatcher", {"receive_inbound_connectors", "receive_outbound_connectors", "routing_table"}},
    {"ToAddressRouter", {"to_address_mappings", "default_app", "message_cache_config"}},
    {"FromAddressRouter", {"channel", "destinations"}},
};

}  // namespace

RouterRegistry::RouterRegistry() {
  add(simple_dispatch_router());
}

void RouterRegistry::add(RouterClass router_class) {
  for (RouterClass& known : classes_) {
    if (known.name == router_class.name) {
      known = std::move(router_class);
      return;
    }
  }
  classes_.push_back(std::move(router_class));
}

const RouterClass* RouterRegistry::find(std::string_view router_class) const {
  const std::string_view name = router_class.substr(router_class.rfind('.') + 1);  // npos + 1 is 0
  for (const RouterClass& known : classes_) {
    if (known.name == name) return &known;
  }
  return nullptr;
}

std::vector<std::string> RouterRegistry::readers_of(std::string_view key) const {
  std::vector<std::string> readers;
  for (const RouterClass& known : classes_) {
    if (std::ranges::find(known.keys, key) != known.keys.end()) readers.push_back(known.name);
  }
  for (const PlannedRouter& planned : planned_routers) {
    if (find(planned.name) == nullptr && std::ranges::find(planned.keys, key) != planned.keys.end()) {
      readers.emplace_back(planned.name);
    }
  }
  return readers;
}

bool RouterRegistry::is_planned(std::string_view router_class) {
  const std::string_view name = router_class.substr(router_class.rfind('.') + 1);
  return std::ranges::find(planned_routers, name, &PlannedRouter::name) != std::end(planned_routers);
}

}  // namespace signalbox
