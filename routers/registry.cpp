#include "routers/registry.hpp"

#include <algorithm>

#include "routers/built_in.hpp"

namespace signalbox {

RouterRegistry::RouterRegistry() {
  for (const auto built_in :
       {simple_dispatch_router, transport_to_transport_router, to_addr_router, from_addr_multiplex_router,
        user_grouping_router, content_keyword_router, redirect_router, redirect_outbound_router, load_balancing_router,
        routing_table_dispatcher, to_address_router, from_address_router}) {
    add(built_in());
  }
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
  return readers;
}

}  // namespace signalbox
