// FromAddrMultiplexRouter: several transports, each with an address of its own, look like one to the application.
//
// Everything inbound goes to the one application, its transport_name rewritten to that application's name. Outbound is
// told apart by from_addr alone: fromaddr_mappings gives the transport, and transport_name is rewritten to it. What the
// application writes into transport_name, and what it replies to, is not looked at.
//
// Thread: one. Owns: its table, constant once made.
// Tested by the cases in cases/from_addr_multiplex.toml, and a naive twin.
#include <string>

#include "routers/built_in.hpp"
#include "routers/encoded_name.hpp"
#include "routers/following.hpp"
#include "routers/reading_names.hpp"
#include "routers/text_map.hpp"

namespace signalbox {

namespace {

class FromAddrMultiplexRouter final : public Router {
 public:
  explicit FromAddrMultiplexRouter(RouterSetup& setup) {
    if (const auto application = read_only_application(setup)) {
      application_ = *application;
      application_name_ = encoded_name(setup, *application);
    }
    transport_names_ = encoded_names(setup, Role::transport);
    const Setting* mappings = setup.require("fromaddr_mappings");
    if (!is_table(setup, mappings, "fromaddr_mappings")) return;
    for (const Setting& entry : mappings->items) {
      if (const auto transport = read_endpoint(setup, entry, Role::transport))
        transports_.emplace(entry.key, *transport);
    }
    add_routes(setup, *mappings);
  }

  void inbound(const Incoming&, Decision& decision) override { to_application(decision); }

  void event(const Incoming& incoming, Decision& decision) override {
    if (follow_event(incoming, decision)) {
      decision.set(Field::transport_name, application_name_);
    } else {
      to_application(decision);
    }
  }

  void outbound(const Incoming& incoming, Decision& decision) override {
    if (!incoming.message.has(Field::from_addr)) {
      decision.refuse(RefusalCode::no_route, "the message has no from_addr, by which the transport is chosen");
      return;
    }
    const std::string_view address = incoming.message.text(Field::from_addr);
    const auto found = transports_.find(address);
    if (found == transports_.end()) {
      decision.refuse(RefusalCode::no_route, "fromaddr_mappings has no entry for from_addr " + in_quotes(address));
      return;
    }
    if (Trail* trail = decision.trail()) trail->note("fromaddr_mappings." + in_quotes(address));
    decision.deliver(found->second);
    decision.set(Field::transport_name, transport_names_[found->second]);
  }

  bool keeps_state() const override { return false; }
  std::vector<Route> routes() const override { return routes_; }

 private:
  void to_application(Decision& decision) {
    if (Trail* trail = decision.trail()) trail->note("all that comes in goes to the one exposed name");
    decision.deliver(application_);
    decision.set(Field::transport_name, application_name_);
  }

  void add_routes(const RouterSetup& setup, const Setting& mappings) {
    const std::string name = setup.applications().empty() ? "" : setup.applications().front();
    const std::string rewrite = "transport_name = " + in_quotes(name);
    routes_.push_back({"inbound", "any", "", name, rewrite});
    routes_.push_back({"event", "any", "", name, rewrite});
    for (const Setting& entry : mappings.items) {
      routes_.push_back({"outbound", "any", "from_addr is " + in_quotes(entry.key), entry.text,
                         "transport_name = " + in_quotes(entry.text)});
    }
    routes_.push_back({"outbound", "any", "otherwise", "refused: no_route", ""});
  }

  EndpointId application_ = 0;
  std::string application_name_;
  std::vector<std::string> transport_names_;  // encoded, by endpoint
  TextMap<EndpointId> transports_;            // by from_addr
  std::vector<Route> routes_;
};

std::unique_ptr<Router> make_from_addr_multiplex_router(RouterSetup& setup) {
  return std::make_unique<FromAddrMultiplexRouter>(setup);
}

}  // namespace

RouterClass from_addr_multiplex_router() {
  return {.name = "FromAddrMultiplexRouter",
          .make = make_from_addr_multiplex_router,
          .keys = {"fromaddr_mappings"},
          .list_names = nullptr};
}

}  // namespace signalbox
