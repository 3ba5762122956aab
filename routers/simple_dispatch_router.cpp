// SimpleDispatchRouter: each transport has its list of applications; each outbound message names its transport.
//
// Inbound and events look up the message's transport_name in routing_mappings (vumi's code calls the key
// route_mappings) and get one copy for each application listed. Outbound looks up its transport_name in
// transport_mappings, one hop; where that says nothing, the name itself is the transport. What the broker remembers
// comes first: replies go where the original came from, events to whoever sent the message that they are about.
//
// Thread: one. Owns: its tables, constant once made. Bounds: the tables are as large as the configuration.
// Tested by simple_dispatch_router_test.cpp, the cases in cases/simple_dispatch.toml, and a naive twin.
#include "routers/built_in.hpp"
#include "routers/following.hpp"
#include "routers/outbound_by_name.hpp"
#include "routers/reading_names.hpp"
#include "routers/targets_by_transport.hpp"

namespace signalbox {

namespace {

class SimpleDispatchRouter final : public Router {
 public:
  explicit SimpleDispatchRouter(RouterSetup& setup) {
    setup.require("exposed_names");
    const Setting* routing = find_routing_mappings(setup, true);
    applications_.read(setup, routing, Role::application);
    transports_.read(setup);

    applications_.add_routes(setup, routing, "inbound", "", routes_);
    applications_.add_routes(setup, routing, "event", add_followed_event(setup, routes_), routes_);
    transports_.add_routes(setup, routes_);
  }

  void inbound(const Incoming& incoming, Decision& decision) override { applications_.decide(incoming, decision); }

  void event(const Incoming& incoming, Decision& decision) override {
    if (!follow_event(incoming, decision)) applications_.decide(incoming, decision);
  }

  void outbound(const Incoming& incoming, Decision& decision) override { transports_.decide(incoming, decision); }

  bool keeps_state() const override { return false; }
  std::vector<Route> routes() const override { return routes_; }

 private:
  TargetsByTransport applications_;
  OutboundByName transports_;
  std::vector<Route> routes_;
};

std::unique_ptr<Router> make_simple_dispatch_router(RouterSetup& setup) {
  return std::make_unique<SimpleDispatchRouter>(setup);
}

}  // namespace

RouterClass simple_dispatch_router() {
  return {.name = "SimpleDispatchRouter",
          .make = make_simple_dispatch_router,
          .keys = {"routing_mappings", "route_mappings", "transport_mappings"},
          .list_names = nullptr};
}

}  // namespace signalbox
