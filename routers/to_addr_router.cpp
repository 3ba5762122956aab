// ToAddrRouter: each application has a pattern, and gets what is sent to an address that matches it.
//
// Every application whose pattern matches the start of to_addr gets one copy, in the order of the configuration.
// Outbound goes by transport_name, as in SimpleDispatchRouter.
//
// Thread: one. Owns: its patterns, constant once made.
// Tested by the cases in cases/to_addr.toml, and a naive twin.
#include <string>

#include "protocol/limits.hpp"
#include "routers/built_in.hpp"
#include "routers/following.hpp"
#include "routers/outbound_by_name.hpp"
#include "routers/reading_patterns.hpp"

namespace signalbox {

namespace {

class ToAddrRouter final : public Router {
 public:
  explicit ToAddrRouter(RouterSetup& setup) {
    setup.require("exposed_names");
    const Setting* mappings = setup.require("toaddr_mappings");
    if (is_table(setup, mappings, "toaddr_mappings")) {
      for (const Setting& entry : mappings->items) read_mapping(setup, entry);
    }
    patterns_.prepare();
    if (mappings != nullptr) check_pattern_count(setup, mappings->position, patterns_, expressions_);
    transports_.read(setup);
    routes_.push_back({"inbound", "any", "otherwise", "refused: no_route", ""});
    routes_.push_back({"event", "any", std::string(add_followed_event(setup, routes_)), "refused: no_route", ""});
    transports_.add_routes(setup, routes_);
  }

  void inbound(const Incoming& incoming, Decision& decision) override {
    if (!incoming.message.has(Field::to_addr)) {
      decision.refuse(RefusalCode::no_route, "the message has no to_addr for a pattern of toaddr_mappings to match");
      return;
    }
    const std::string_view address = incoming.message.text(Field::to_addr);
    const std::vector<int>& matching = patterns_.matching(address);
    note(decision, address, matching);
    for (const int i : matching) decision.deliver(applications_[static_cast<size_t>(i)]);
    if (matching.empty()) {
      decision.refuse(RefusalCode::no_route, "no pattern of toaddr_mappings matches to_addr " + in_quotes(address));
    }
  }

  void event(const Incoming& incoming, Decision& decision) override {
    if (follow_event(incoming, decision)) return;
    decision.refuse(RefusalCode::no_route, "the message that the event is about is not remembered");
  }

  void outbound(const Incoming& incoming, Decision& decision) override { transports_.decide(incoming, decision); }

  bool keeps_state() const override { return false; }
  std::vector<Route> routes() const override { return routes_; }

 private:
  // An application is a key here.
  void read_mapping(RouterSetup& setup, const Setting& entry) {
    Setting name;
    name.type = Setting::Type::text;
    name.position = entry.key_position;
    name.text = entry.key;
    const auto application = read_endpoint(setup, name, Role::application);
    if (!read_pattern(setup, entry, patterns_)) return;
    applications_.push_back(application.value_or(0));
    expressions_.push_back(entry.text);
    routes_.push_back({"inbound", "any", "to_addr matches " + in_quotes(entry.text), entry.key, ""});
  }

  void note(Decision& decision, std::string_view address, const std::vector<int>& matching) const {
    Trail* trail = decision.trail();
    if (trail == nullptr) return;
    auto match = matching.begin();
    for (size_t i = 0; i < expressions_.size(); ++i) {
      const bool matches = match != matching.end() && *match == static_cast<int>(i);
      if (matches) ++match;
      trail->note("pattern " + in_quotes(expressions_[i]) +
                  (matches ? " matches to_addr " : " does not match to_addr ") + in_quotes(address));
    }
  }

  Patterns patterns_{Patterns::Match::at_start};
  std::vector<EndpointId> applications_;  // by pattern
  std::vector<std::string> expressions_;  // the same, as written
  OutboundByName transports_;
  std::vector<Route> routes_;
};

std::unique_ptr<Router> make_to_addr_router(RouterSetup& setup) {
  return std::make_unique<ToAddrRouter>(setup);
}

}  // namespace

RouterClass to_addr_router() {
  return {.name = "ToAddrRouter",
          .make = make_to_addr_router,
          .keys = {"toaddr_mappings", "transport_mappings"},
          .list_names = nullptr};
}

}  // namespace signalbox
