// LoadBalancingRouter: one application, several transports that do the same; outbound messages take them in turn.
//
// With reply_affinity (the default) an inbound message has the name of its transport pushed on a list in its
// helper_metadata, and a reply, which carries a copy of that list, goes back to the last name on it, popped. A list
// rather than a name, so that one such router can stand behind another. A reply without a useful list goes where the
// original came from, if that is remembered. Everything else takes the next transport in the configured order; one that
// nobody serves is passed over while another is served, and the turn then stands behind the one chosen.
//
// Thread: one. Owns: whose turn it is; the rest is constant once made.
// Tested by the cases in cases/load_balancing.toml, and a naive twin.
#include <string>

#include "routers/built_in.hpp"
#include "routers/encoded_name.hpp"
#include "routers/following.hpp"
#include "routers/reading_names.hpp"
#include "routers/text_map.hpp"

namespace signalbox {

namespace {

constexpr std::array<std::string_view, Edit::path_keys_max> list_path = {"helper_metadata", "load_balancer",
                                                                         "transport_names"};
constexpr std::array<std::string_view, Edit::path_keys_max> list_path_within = {"load_balancer", "transport_names"};

class LoadBalancingRouter final : public Router {
 public:
  explicit LoadBalancingRouter(RouterSetup& setup) {
    if (const auto application = read_only_application(setup)) {
      application_ = *application;
      application_name_ = encoded_name(setup, *application);
    }
    affinity_ = read_flag(setup, setup.find("reply_affinity"), "reply_affinity", true);
    read_rewriting(setup);
    transport_names_ = encoded_names(setup, Role::transport);
    for (const std::string& name : setup.transports()) {
      const EndpointId transport = *setup.transport(name);
      turn_.push_back(transport);
      transports_.emplace(name, transport);
    }
    add_routes(setup);
  }

  void inbound(const Incoming& incoming, Decision& decision) override {
    to_application(decision, application_);
    if (!affinity_) return;
    decision.edit({.operation = Edit::Operation::push,
                   .path = list_path,
                   .value = incoming.transport == incoming.sender ? Bytes(transport_names_[incoming.sender])
                                                                  : decision.text(incoming.transport_name)});
  }

  void event(const Incoming& incoming, Decision& decision) override {
    if (follow_event(incoming, decision)) {
      if (rewrites_) decision.set(Field::transport_name, application_name_);
    } else {
      to_application(decision, application_);
    }
  }

  void outbound(const Incoming& incoming, Decision& decision) override {
    if (!affinity_ || incoming.message.text(Field::in_reply_to).empty()) return take_turn(incoming, decision);
    const Bytes metadata = incoming.message.value(Field::helper_metadata);
    const Bytes list = incoming.message.has(Field::helper_metadata) ? find_value(metadata, list_path_within) : Bytes();
    const Bytes last = last_of(list);
    const auto named = transports_.find(text_of(last).value_or(""));
    if (named == transports_.end()) note_last(decision, text_of(last));
    if (named != transports_.end()) {
      if (Trail* trail = decision.trail()) trail->note("the last name of load_balancer.transport_names");
      to_transport(decision, named->second);
    } else if (follow_reply(incoming, decision)) {
      if (rewrites_) decision.set(Field::transport_name, transport_names_[incoming.followed->source]);
    } else {
      take_turn(incoming, decision);
    }
    if (!last.empty()) decision.edit({.operation = Edit::Operation::pop, .path = list_path, .value = {}});
  }

  std::vector<Route> routes() const override { return routes_; }

 private:
  // The documentation of vumi gives this key in the singular, its code in the plural.
  void read_rewriting(RouterSetup& setup) {
    const Setting* plural = setup.find("rewrite_transport_names");
    const Setting* singular = setup.find("rewrite_transport_name");
    if (plural != nullptr && singular != nullptr) {
      setup.fault((plural < singular ? singular : plural)->key_position,
                  "rewrite_transport_names and rewrite_transport_name are one key; give one of them");
    }
    const Setting* const given = plural != nullptr ? plural : singular;
    rewrites_ = read_flag(setup, given, given == singular ? "rewrite_transport_name" : "rewrite_transport_names", true);
  }

  void to_application(Decision& decision, EndpointId application) {
    if (Trail* trail = decision.trail()) trail->note("all that comes in goes to the one exposed name");
    decision.deliver(application);
    if (rewrites_) decision.set(Field::transport_name, application_name_);
  }

  void to_transport(Decision& decision, EndpointId transport) {
    decision.deliver(transport);
    if (rewrites_) decision.set(Field::transport_name, transport_names_[transport]);
  }

  // Why the list does not say where the reply goes.
  static void note_last(Decision& decision, std::optional<std::string_view> last) {
    Trail* trail = decision.trail();
    if (trail == nullptr) return;
    trail->note(last ? "the last name of load_balancer.transport_names, " + in_quotes(*last) +
                           ", is no transport of this dispatcher"
                     : "load_balancer.transport_names ends in no name");
  }

  void take_turn(const Incoming& incoming, Decision& decision) {
    const size_t first = next_;
    size_t chosen = first;
    for (size_t i = 0; i < turn_.size(); ++i) {
      const size_t candidate = (first + i) % turn_.size();
      if (!incoming.broker.has_live_worker(turn_[candidate])) continue;
      chosen = candidate;
      break;
    }
    next_ = (chosen + 1) % turn_.size();
    if (Trail* trail = decision.trail()) {
      trail->note(chosen == first ? "the next transport in turn"
                                  : "the next transport in turn that has a live worker; those before it have none");
    }
    to_transport(decision, turn_[chosen]);
  }

  void add_routes(const RouterSetup& setup) {
    if (setup.applications().empty()) return;
    const std::string& name = setup.applications().front();
    const std::string rewrite = rewrites_ ? "transport_name = " + in_quotes(name) : "";
    const std::string push = "transport_name pushed on helper_metadata.load_balancer.transport_names";
    const std::string both = rewrite.empty() ? push : push + ", " + rewrite;
    const std::string chosen = rewrites_ ? "transport_name = the one chosen" : "";
    routes_.push_back({"inbound", "any", "", name, affinity_ ? both : rewrite});
    routes_.push_back({"event", "any", "", name, rewrite});
    if (affinity_) {
      routes_.push_back({"reply", "any", "helper_metadata.load_balancer.transport_names ends in a transport",
                         "that transport", chosen});
      if (setup.reply_tracking()) {
        routes_.push_back(
            {"reply", "any", "otherwise, and the original is remembered", "where the original came from", chosen});
      }
    }
    routes_.push_back({"outbound", "any", affinity_ ? "otherwise" : "", "the next transport in turn", chosen});
  }

  bool affinity_ = true;
  bool rewrites_ = true;
  EndpointId application_ = 0;
  std::string application_name_;              // encoded
  std::vector<std::string> transport_names_;  // encoded, by endpoint
  TextMap<EndpointId> transports_;            // by name
  std::vector<EndpointId> turn_;              // in the order of the configuration
  size_t next_ = 0;
  std::vector<Route> routes_;
};

std::unique_ptr<Router> make_load_balancing_router(RouterSetup& setup) {
  return std::make_unique<LoadBalancingRouter>(setup);
}

}  // namespace

RouterClass load_balancing_router() {
  return {.name = "LoadBalancingRouter",
          .make = make_load_balancing_router,
          .keys = {"reply_affinity", "rewrite_transport_names", "rewrite_transport_name"},
          .list_names = nullptr};
}

}  // namespace signalbox
