// SimpleDispatchRouter: each transport has its list of applications; each outbound message names its transport.
//
// Inbound and events look up the message's transport_name in routing_mappings (vumi's code calls the key
// route_mappings) and get one copy for each application listed. Outbound looks up its transport_name in
// transport_mappings, one hop; where that says nothing, the name itself is the transport. What the broker remembers
// comes first: replies go where the original came from, events to whoever sent the message that they are about.
//
// The names of this dispatcher's transports are resolved while the router is made, into tables indexed by endpoint, so
// that the hot path is one indexed load. Names that are no transport (what a relay carries, aliases in
// transport_mappings) are looked up by their text.
//
// Thread: one. Owns: its tables, constant once made. Bounds: the tables are as large as the configuration.
// Tested by simple_dispatch_router_test.cpp, the cases in cases/simple_dispatch.toml, and a naive twin.
#include <algorithm>
#include <string>
#include <unordered_map>

#include "protocol/limits.hpp"
#include "protocol/text.hpp"
#include "routers/built_in.hpp"

namespace signalbox {

namespace {

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
template <typename Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

std::string in_quotes(std::string_view name) {
  return '"' + printable(name) + '"';
}

// The tables, as the configuration gives them.
struct Tables {
  std::vector<std::vector<EndpointId>> applications_of;   // by transport's endpoint; empty: no rule
  TextMap<std::vector<EndpointId>> applications_of_name;  // by a name that only relays carry
  std::vector<EndpointId> transport_for;                  // by transport's endpoint: itself, or what it is mapped to
  TextMap<EndpointId> transport_for_name;                 // by a name that is no transport
  std::vector<Route> routes;
};

class SimpleDispatchRouter final : public Router {
 public:
  explicit SimpleDispatchRouter(Tables tables) : tables_(std::move(tables)) {}

  void inbound(const Incoming& incoming, Decision& decision) override { by_transport(incoming, decision); }

  void event(const Incoming& incoming, Decision& decision) override {
    if (incoming.followed) {
      if (Trail* trail = decision.trail()) trail->note("the event follows the message that it is about");
      decision.deliver(incoming.followed->source);
      return;
    }
    if (Trail* trail = decision.trail()) trail->note("the message that the event is about is not remembered");
    by_transport(incoming, decision);
  }

  void outbound(const Incoming& incoming, Decision& decision) override {
    if (incoming.followed) {
      if (Trail* trail = decision.trail()) trail->note("the reply goes where the original came from");
      decision.deliver(incoming.followed->source);
      return;
    }
    const std::optional<EndpointId> target = transport_for(incoming);
    if (target) {
      if (Trail* trail = decision.trail()) note_outbound(*trail, incoming, *target);
      decision.deliver(*target);
    } else if (incoming.transport_name.empty()) {
      decision.refuse(RefusalCode::unknown_endpoint,
                      "the message has no transport_name, and is no reply to a message that is remembered");
    } else {
      decision.refuse(RefusalCode::unknown_endpoint,
                      "transport_name " + in_quotes(incoming.transport_name) +
                          " is neither in transport_mappings nor a transport of this dispatcher");
    }
  }

  std::vector<Route> routes() const override { return tables_.routes; }

 private:
  void by_transport(const Incoming& incoming, Decision& decision) const {
    const std::vector<EndpointId>* applications = nullptr;
    if (incoming.transport) {
      applications = &tables_.applications_of[*incoming.transport];
    } else if (auto found = tables_.applications_of_name.find(incoming.transport_name);
               found != tables_.applications_of_name.end()) {
      applications = &found->second;
    }
    if (applications == nullptr || applications->empty()) {
      decision.refuse(RefusalCode::no_route,
                      "routing_mappings has no entry for transport_name " + in_quotes(incoming.transport_name));
      return;
    }
    if (Trail* trail = decision.trail()) trail->note("routing_mappings." + in_quotes(incoming.transport_name));
    for (EndpointId application : *applications) decision.deliver(application);
  }

  std::optional<EndpointId> transport_for(const Incoming& incoming) const {
    if (incoming.transport) return tables_.transport_for[*incoming.transport];
    if (tables_.transport_for_name.empty()) return std::nullopt;
    auto found = tables_.transport_for_name.find(incoming.transport_name);
    if (found == tables_.transport_for_name.end()) return std::nullopt;
    return found->second;
  }

  static void note_outbound(Trail& trail, const Incoming& incoming, EndpointId target) {
    if (incoming.transport == target) {
      trail.note("transport_name is a transport of this dispatcher");
    } else {
      trail.note("transport_mappings." + in_quotes(incoming.transport_name));
    }
  }

  const Tables tables_;
};

// Reads the configuration into Tables; every fault is reported on the way.
class Maker {
 public:
  explicit Maker(RouterSetup& setup) : setup_(setup) {
    size_t endpoints = 0;
    for (const std::string& name : setup_.transports()) endpoints = std::max<size_t>(endpoints, id_of(name) + 1);
    tables_.applications_of.resize(endpoints);
    tables_.transport_for.resize(endpoints);
    for (const std::string& name : setup_.transports()) tables_.transport_for[id_of(name)] = id_of(name);
  }

  std::unique_ptr<Router> make() {
    setup_.require("exposed_names");
    const Setting* routing = routing_mappings();
    const Setting* transports = setup_.find("transport_mappings");
    if (table(routing, "routing_mappings")) {
      for (const Setting& entry : routing->items) read_routing(entry);
      warn_of_silent_transports();
    }
    if (table(transports, "transport_mappings")) {
      for (const Setting& entry : transports->items) read_transport_mapping(entry);
    }
    add_routes(routing, transports);
    return std::make_unique<SimpleDispatchRouter>(std::move(tables_));
  }

 private:
  EndpointId id_of(const std::string& transport) const { return *setup_.transport(transport); }

  // One key with two names.
  const Setting* routing_mappings() {
    const Setting* routing = setup_.find("routing_mappings");
    const Setting* route = setup_.find("route_mappings");
    if (routing != nullptr && route != nullptr) {
      const bool route_is_second = routing < route;  // a table's items stand in the order of the file
      setup_.fault((route_is_second ? route : routing)->key_position,
                   "routing_mappings and route_mappings are one key; give one of them");
      return routing;
    }
    if (route != nullptr) return route;
    return routing != nullptr ? routing : setup_.require("routing_mappings");
  }

  bool table(const Setting* setting, std::string_view key) {
    if (setting == nullptr) return false;
    if (setting->type == Setting::Type::table) return true;
    setup_.fault(setting->position,
                 std::string(key) + " must be a table of names, not " + std::string(to_string(setting->type)));
    return false;
  }

  void read_routing(const Setting& entry) {
    std::vector<EndpointId> applications;
    if (entry.type == Setting::Type::text) {
      read_application(entry, applications);
    } else if (entry.type == Setting::Type::array) {
      if (entry.items.empty()) {
        setup_.fault(entry.position, "the list of applications for " + in_quotes(entry.key) + " is empty");
      }
      for (const Setting& item : entry.items) read_application(item, applications);
    } else {
      setup_.fault(entry.position, "an application's name, or a list of them, is needed here, not " +
                                       std::string(to_string(entry.type)));
    }
    if (applications.size() > limits::targets_max) {
      setup_.fault(entry.position, "a message can go to at most " + std::to_string(limits::targets_max) +
                                       " applications, and here are " + std::to_string(applications.size()));
    }
    if (!is_source(entry)) return;
    if (auto transport = setup_.transport(entry.key)) {
      tables_.applications_of[*transport] = std::move(applications);
    } else {
      tables_.applications_of_name.emplace(entry.key, std::move(applications));
    }
  }

  bool is_source(const Setting& entry) {
    if (setup_.transport(entry.key)) return true;
    if (entry.key.empty()) {
      setup_.fault(entry.key_position, "a name must not be empty");
    } else if (setup_.application(entry.key)) {
      setup_.fault(entry.key_position, in_quotes(entry.key) + " is an application; a transport is needed here");
    } else if (setup_.has_relays()) {
      return true;
    } else if (!setup_.transports().empty()) {  // else that is the fault, and has been said
      setup_.unknown_name(entry.key_position, in_quotes(entry.key) + " is not in transport_names", entry.key,
                          setup_.transports());
    }
    return false;
  }

  void read_application(const Setting& item, std::vector<EndpointId>& applications) {
    if (item.type != Setting::Type::text) {
      setup_.fault(item.position, "an application's name is needed here, not " + std::string(to_string(item.type)));
    } else if (auto application = setup_.application(item.text)) {
      applications.push_back(*application);
    } else if (item.text.empty()) {
      setup_.fault(item.position, "a name must not be empty");
    } else if (setup_.transport(item.text)) {
      setup_.fault(item.position, in_quotes(item.text) + " is a transport; an application is needed here");
    } else if (setup_.find("exposed_names") != nullptr) {
      setup_.unknown_name(item.position, in_quotes(item.text) + " is not in exposed_names", item.text,
                          setup_.applications());
    }
  }

  void read_transport_mapping(const Setting& entry) {
    if (entry.key.empty()) setup_.fault(entry.key_position, "a name must not be empty");
    if (entry.type != Setting::Type::text) {
      setup_.fault(entry.position, "a transport's name is needed here, not " + std::string(to_string(entry.type)));
    } else if (auto target = setup_.transport(entry.text)) {
      if (auto transport = setup_.transport(entry.key)) {
        tables_.transport_for[*transport] = *target;
      } else {
        tables_.transport_for_name.emplace(entry.key, *target);
      }
    } else if (entry.text.empty()) {
      setup_.fault(entry.position, "a name must not be empty");
    } else if (setup_.application(entry.text)) {
      setup_.fault(entry.position, in_quotes(entry.text) + " is an application; a transport is needed here");
    } else if (!setup_.transports().empty()) {
      setup_.unknown_name(entry.position, in_quotes(entry.text) + " is not in transport_names", entry.text,
                          setup_.transports());
    }
  }

  // A relay may well carry nothing under its own name, so it is not missed.
  void warn_of_silent_transports() {
    const Setting* listed = setup_.find("transport_names");
    if (listed == nullptr) return;
    for (const Setting& item : listed->items) {
      if (setup_.transport(item.text) && !mentioned(item.text) && !is_relay(item.text)) {
        setup_.warn(item.position, "routing_mappings has no entry for " + in_quotes(item.text) +
                                       ": what comes from there will be refused, no_route");
      }
    }
  }

  bool is_relay(const std::string& transport) {
    const Setting* relays = setup_.find("relays");
    return relays != nullptr &&
           std::ranges::any_of(relays->items, [&](const Setting& item) { return item.text == transport; });
  }

  // Whether routing_mappings speaks of that transport at all, if only with faults that are reported already.
  bool mentioned(const std::string& transport) {
    for (std::string_view key : {"routing_mappings", "route_mappings"}) {
      const Setting* mappings = setup_.find(key);
      if (mappings != nullptr && mappings->find(transport) != nullptr) return true;
    }
    return false;
  }

  void add_routes(const Setting* routing, const Setting* transports) {
    const bool follows = setup_.reply_tracking();
    add_transport_routes("inbound", routing, "");
    if (follows) tables_.routes.push_back({"event", "any", "its message is remembered", "who sent that message", ""});
    add_transport_routes("event", routing, follows ? "its message is not remembered" : "");
    if (follows) {
      tables_.routes.push_back({"reply", "any", "the original is remembered", "where the original came from", ""});
    }
    if (transports != nullptr && transports->type == Setting::Type::table) {
      for (const Setting& entry : transports->items) {
        tables_.routes.push_back({"outbound", "any", "transport_name is " + in_quotes(entry.key), entry.text, ""});
      }
    }
    tables_.routes.push_back({"outbound", "any", "transport_name is a transport", "that transport", ""});
    tables_.routes.push_back({"outbound", "any", "otherwise", "refused: unknown_endpoint", ""});
  }

  void add_transport_routes(std::string_view what, const Setting* routing, std::string_view condition) {
    if (routing == nullptr || routing->type != Setting::Type::table) return;
    for (const Setting& entry : routing->items) {
      std::string words(condition);
      if (!setup_.transport(entry.key)) words += words.empty() ? "carried by a relay" : ", carried by a relay";
      const auto add = [&](const std::string& target) {
        tables_.routes.push_back({std::string(what), entry.key, words, target, ""});
      };
      if (entry.type == Setting::Type::text) add(entry.text);
      for (const Setting& item : entry.items) add(item.text);
    }
    for (const std::string& transport : setup_.transports()) {
      if (routing->find(transport) != nullptr) continue;
      tables_.routes.push_back({std::string(what), transport, std::string(condition), "refused: no_route", ""});
    }
  }

  RouterSetup& setup_;
  Tables tables_;
};

std::unique_ptr<Router> make_simple_dispatch_router(RouterSetup& setup) {
  return Maker(setup).make();
}

}  // namespace

RouterClass simple_dispatch_router() {
  return {.name = "SimpleDispatchRouter",
          .make = make_simple_dispatch_router,
          .keys = {"routing_mappings", "route_mappings", "transport_mappings"},
          .list_names = nullptr};
}

}  // namespace signalbox
