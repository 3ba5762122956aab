// PrefixRouter: the application is chosen by how the sender's address begins, and the longest beginning wins. A router
// in a shared library; prefix_router.toml beside this file loads and configures it.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "routers/plugin.hpp"

using namespace signalbox;

namespace {

class PrefixRouter final : public Router {
 public:
  struct Rule {
    EndpointId application = 0;
    std::string name;
  };
  using Rules = std::map<std::string, Rule, std::less<>>;  // by prefix

  explicit PrefixRouter(Rules rules) : rules_(std::move(rules)) {}

  void inbound(const Incoming& incoming, Decision& decision) override {
    std::string_view prefix = incoming.message.text(Field::from_addr);
    auto rule = rules_.find(prefix);
    while (rule == rules_.end() && !prefix.empty()) {
      prefix.remove_suffix(1);
      rule = rules_.find(prefix);
    }
    if (rule == rules_.end()) return decision.refuse(RefusalCode::no_route, "from_addr begins with no prefix");
    if (Trail* trail = decision.trail()) trail->note("from_addr begins with " + in_quotes(prefix));
    decision.deliver(rule->second.application);
  }

  void event(const Incoming& incoming, Decision& decision) override {
    if (incoming.followed) return decision.deliver(incoming.followed->source);
    decision.refuse(RefusalCode::no_route, "nobody knows whose message this event is about");
  }

  void outbound(const Incoming& incoming, Decision& decision) override {
    if (incoming.followed) return decision.deliver(incoming.followed->source);
    if (incoming.transport) return decision.deliver(*incoming.transport);
    decision.refuse(RefusalCode::unknown_endpoint, "transport_name names no transport");
  }

  // One message changes nothing for the next, so every lane may have a router of its own.
  bool keeps_state() const override { return false; }

  std::vector<Route> routes() const override {
    std::vector<Route> routes;
    for (const auto& [prefix, rule] : rules_)
      routes.push_back({"inbound", "any", "from_addr begins with " + in_quotes(prefix), rule.name, ""});
    routes.push_back({"event", "any", "", "who sent its message", ""});
    routes.push_back({"outbound", "any", "", "where the original came from, else transport_name", ""});
    return routes;
  }

 private:
  const Rules rules_;
};

std::unique_ptr<Router> make(RouterSetup& setup) {
  const Setting* prefixes = setup.require("prefixes");
  if (prefixes == nullptr) return nullptr;
  if (prefixes->type != Setting::Type::table) {
    setup.fault(prefixes->position, "prefixes must be a table of applications, by the beginning of from_addr");
    return nullptr;
  }
  PrefixRouter::Rules rules;
  for (const Setting& entry : prefixes->items) {
    if (entry.type != Setting::Type::text) {
      setup.fault(entry.position, "the name of an application belongs here");
    } else if (const std::optional<EndpointId> application = setup.application(entry.text)) {
      rules.emplace(entry.key, PrefixRouter::Rule{*application, entry.text});
    } else {
      setup.unknown_name(entry.position, in_quotes(entry.text) + " is no application of this dispatcher", entry.text,
                         setup.applications());
    }
  }
  return std::make_unique<PrefixRouter>(std::move(rules));
}

RouterClass prefix_router() {
  return {.name = "PrefixRouter", .make = make, .keys = {"prefixes"}, .list_names = nullptr};
}

}  // namespace

SIGNALBOX_ROUTER_PLUGIN(prefix_router);
