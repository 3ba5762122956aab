// TransportToTransportRouter: what comes in at one transport goes out at others.
//
// An inbound message becomes an outbound one on each transport that routing_mappings lists for its own: nothing in it
// is rewritten, and addresses are not swapped. There is nobody to tell about events, so they are discarded, and so is
// what an application sends, should one be listed. A transport may be mapped to itself; loops are the operator's.
//
// Thread: one. Owns: its table, constant once made.
// Tested by the cases in cases/transport_to_transport.toml, and a naive twin.
#include "routers/built_in.hpp"
#include "routers/following.hpp"
#include "routers/reading_names.hpp"
#include "routers/targets_by_transport.hpp"

namespace signalbox {

namespace {

class TransportToTransportRouter final : public Router {
 public:
  explicit TransportToTransportRouter(RouterSetup& setup) {
    const Setting* routing = find_routing_mappings(setup, true);
    transports_.read(setup, routing, Role::transport);
    transports_.add_routes(setup, routing, "inbound", "", routes_);
    routes_.push_back({"event", "any", "", "discarded", ""});
    routes_.push_back({"outbound", "any", "", "discarded", ""});
  }

  void inbound(const Incoming& incoming, Decision& decision) override { transports_.decide(incoming, decision); }

  void event(const Incoming& incoming, Decision& decision) override {
    if (!follow_event(incoming, decision)) decision.discard("no application asks for events here");
  }

  void outbound(const Incoming&, Decision& decision) override {
    decision.discard("this router carries from transport to transport alone");
  }

  bool keeps_state() const override { return false; }
  std::vector<Route> routes() const override { return routes_; }

 private:
  TargetsByTransport transports_;
  std::vector<Route> routes_;
};

std::unique_ptr<Router> make_transport_to_transport_router(RouterSetup& setup) {
  return std::make_unique<TransportToTransportRouter>(setup);
}

}  // namespace

RouterClass transport_to_transport_router() {
  return {.name = "TransportToTransportRouter",
          .make = make_transport_to_transport_router,
          .keys = {"routing_mappings", "route_mappings"},
          .list_names = nullptr};
}

}  // namespace signalbox
