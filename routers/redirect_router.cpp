// RedirectRouter: one name stands for another, in each direction by a table of its own.
//
// Inbound and events go to redirect_inbound[transport_name], and carry that application's name in transport_name from
// there on. Outbound goes to redirect_outbound[transport_name], the field and not the sender deciding, and keeps what
// it carries. RedirectOutboundRouter is vumi's older name for the same, and says so when it is made.
//
// Thread: one. Owns: its tables, constant once made.
// Tested by the cases in cases/redirect.toml, and a naive twin.
#include <algorithm>
#include <optional>
#include <string>

#include "routers/built_in.hpp"
#include "routers/encoded_name.hpp"
#include "routers/following.hpp"
#include "routers/reading_names.hpp"
#include "routers/text_map.hpp"

namespace signalbox {

namespace {

class RedirectRouter final : public Router {
 public:
  explicit RedirectRouter(RouterSetup& setup) {
    setup.require("exposed_names");
    application_names_ = encoded_names(setup, Role::application);
    const Setting* inbound = setup.find("redirect_inbound");
    if (is_table(setup, inbound, "redirect_inbound")) read_inbound(setup, *inbound);
    const Setting* outbound = setup.find("redirect_outbound");
    if (is_table(setup, outbound, "redirect_outbound")) read_outbound(setup, *outbound);
    if (inbound == nullptr && outbound == nullptr) {
      setup.fault(setup.place(), "neither redirect_inbound nor redirect_outbound: everything would be refused");
    }
    add_routes(setup, inbound, outbound);
  }

  void inbound(const Incoming& incoming, Decision& decision) override { redirect(incoming, decision); }

  void event(const Incoming& incoming, Decision& decision) override {
    if (follow_event(incoming, decision)) {
      decision.set(Field::transport_name, application_names_[incoming.followed->source]);
    } else {
      redirect(incoming, decision);
    }
  }

  void outbound(const Incoming& incoming, Decision& decision) override {
    const auto found = transport_for_.find(incoming.transport_name);
    if (found == transport_for_.end()) {
      decision.refuse(RefusalCode::no_route,
                      incoming.transport_name.empty()
                          ? "the message has no transport_name to redirect"
                          : "redirect_outbound has no entry for transport_name " + in_quotes(incoming.transport_name));
      return;
    }
    if (Trail* trail = decision.trail()) trail->note("redirect_outbound." + in_quotes(incoming.transport_name));
    decision.deliver(found->second);
  }

  bool keeps_state() const override { return false; }
  std::vector<Route> routes() const override { return routes_; }

 private:
  void read_inbound(RouterSetup& setup, const Setting& table) {
    for (const Setting& entry : table.items) {
      const auto application = read_endpoint(setup, entry, Role::application);
      if (is_source(setup, entry) && application) application_for_.emplace(entry.key, *application);
    }
  }

  // The names here are those that messages carry: applications', since that is what inbound was rewritten to. Where
  // there are relays, messages may carry names that are in no list.
  void read_outbound(RouterSetup& setup, const Setting& table) {
    for (const Setting& entry : table.items) {
      const auto transport = read_endpoint(setup, entry, Role::transport);
      if (entry.key.empty()) {
        setup.fault(entry.key_position, "a name must not be empty");
      } else if (setup.application(entry.key) || (setup.has_relays() && !setup.transport(entry.key))) {
        if (transport) transport_for_.emplace(entry.key, *transport);
      } else if (setup.transport(entry.key)) {
        setup.fault(entry.key_position, in_quotes(entry.key) + " is a transport; an application is needed here");
      } else if (setup.find("exposed_names") != nullptr) {
        setup.unknown_name(entry.key_position, in_quotes(entry.key) + " is not in exposed_names", entry.key,
                           setup.applications());
      }
    }
  }

  void redirect(const Incoming& incoming, Decision& decision) const {
    const auto found = application_for_.find(incoming.transport_name);
    if (found == application_for_.end()) {
      decision.refuse(RefusalCode::no_route,
                      "redirect_inbound has no entry for transport_name " + in_quotes(incoming.transport_name));
      return;
    }
    if (Trail* trail = decision.trail()) trail->note("redirect_inbound." + in_quotes(incoming.transport_name));
    decision.deliver(found->second);
    decision.set(Field::transport_name, application_names_[found->second]);
  }

  void add_routes(const RouterSetup& setup, const Setting* inbound, const Setting* outbound) {
    add_inbound_routes("inbound", "", inbound);
    const std::string_view condition = add_followed_event(setup, routes_);
    if (!routes_.empty() && routes_.back().what == "event") routes_.back().rewrite = "transport_name = who sent it";
    add_inbound_routes("event", condition, inbound);
    if (outbound != nullptr) {
      for (const Setting& entry : outbound->items) {
        routes_.push_back({"outbound", "any", "transport_name is " + in_quotes(entry.key), entry.text, ""});
      }
    }
    routes_.push_back({"outbound", "any", "otherwise", "refused: no_route", ""});
  }

  void add_inbound_routes(std::string_view what, std::string_view condition, const Setting* inbound) {
    if (inbound != nullptr) {
      for (const Setting& entry : inbound->items) {
        routes_.push_back({std::string(what), entry.key, std::string(condition), entry.text,
                           "transport_name = " + in_quotes(entry.text)});
      }
    }
    routes_.push_back({std::string(what), "any", "otherwise", "refused: no_route", ""});
  }

  std::vector<std::string> application_names_;  // encoded, by endpoint
  TextMap<EndpointId> application_for_;         // by the transport_name of what comes in
  TextMap<EndpointId> transport_for_;           // by the transport_name of what goes out
  std::vector<Route> routes_;
};

std::unique_ptr<Router> make_redirect_router(RouterSetup& setup) {
  return std::make_unique<RedirectRouter>(setup);
}

std::unique_ptr<Router> make_redirect_outbound_router(RouterSetup& setup) {
  if (const Setting* router_class = setup.find("router_class")) {
    setup.warn(router_class->position, "RedirectOutboundRouter is deprecated: RedirectRouter does the same");
  }
  return make_redirect_router(setup);
}

}  // namespace

RouterClass redirect_router() {
  return {.name = "RedirectRouter",
          .make = make_redirect_router,
          .keys = {"redirect_inbound", "redirect_outbound"},
          .list_names = nullptr};
}

RouterClass redirect_outbound_router() {
  RouterClass same = redirect_router();
  same.name = "RedirectOutboundRouter";
  same.make = make_redirect_outbound_router;
  return same;
}

}  // namespace signalbox
