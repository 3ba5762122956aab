// FromAddressRouter, Junebug's: one channel, and destinations that each take what their expression finds in to_addr.
//
// Despite its name it looks at to_addr, and anywhere in it. Every destination whose expression is found gets a copy;
// where none is, those marked `default` do. Everything outbound goes to the channel. An event whose message the broker
// does not remember goes by the from_addr of that message, where this router has kept it (reply_tracking = false), as
// if it were the to_addr of an inbound one.
//
// Thread: one. Owns: its patterns, constant once made, and its memory of outbound messages.
// Tested by the cases in cases/from_address.toml, and a naive twin.
#include <string>

#include "protocol/limits.hpp"
#include "routers/built_in.hpp"
#include "routers/following.hpp"
#include "routers/outbound_memory.hpp"
#include "routers/reading_patterns.hpp"

namespace signalbox {

namespace {

constexpr uint64_t outbound_ttl_ms = uint64_t{172'800} * 1000;  // Junebug's default

class FromAddressRouter final : public Router {
 public:
  explicit FromAddressRouter(RouterSetup& setup)
      : memory_(setup, std::string(setup.dispatcher_name()) + ":from_address", outbound_ttl_ms) {
    if (!setup.transports().empty()) channel_ = *setup.transport(setup.transports().front());
    const Setting* destinations = setup.require("destinations");
    if (destinations != nullptr && destinations->type == Setting::Type::array) {
      for (const Setting& destination : destinations->items) read_destination(setup, destination);
    }
    patterns_.prepare();
    if (destinations != nullptr) check_pattern_count(setup, destinations->position, patterns_, expressions_);
    if (defaults_.size() > limits::targets_max) {
      setup.fault(destinations->position, "a message can go to at most " + std::to_string(limits::targets_max) +
                                              " destinations, and so many more are marked default");
    }
    add_routes(setup);
  }

  void inbound(const Incoming& incoming, Decision& decision) override {
    by_address(Field::to_addr, incoming.message.has(Field::to_addr), incoming.message.text(Field::to_addr), decision);
  }

  void event(const Incoming& incoming, Decision& decision) override {
    if (follow_event(incoming, decision)) return;
    const auto address = memory_.of(incoming);
    if (!address) {
      decision.refuse(RefusalCode::no_route, "the message that the event is about is not remembered");
      return;
    }
    by_address(Field::from_addr, address->has_text, address->text, decision);
  }

  void outbound(const Incoming&, Decision& decision) override {
    if (Trail* trail = decision.trail()) trail->note("everything outbound goes to the channel");
    decision.deliver(channel_);
  }

  void taken(const Incoming& incoming) override {
    if (incoming.direction == Direction::outbound) memory_.remember(incoming, Field::from_addr);
  }

  bool keeps_state() const override { return memory_.is_kept(); }
  std::vector<Route> routes() const override { return routes_; }

 private:
  void read_destination(RouterSetup& setup, const Setting& destination) {
    const Setting* id = destination.find("id");
    const Setting* config = destination.find("config");
    if (destination.type != Setting::Type::table || id == nullptr) return;  // said where the names were listed
    for (const Setting& item : destination.items) {
      if (item.key == "id" || item.key == "config") continue;
      setup.unknown_name(item.key_position, "unknown key " + in_quotes(item.key), item.key, {"id", "config"});
    }
    if (config == nullptr) return setup.fault(destination.position, "config is missing");
    if (config->type != Setting::Type::table) {
      return setup.fault(config->position,
                         "config must be {regular_expression, default}, not " + std::string(to_string(config->type)));
    }
    for (const Setting& item : config->items) {
      if (item.key == "regular_expression" || item.key == "default") continue;
      setup.unknown_name(item.key_position, "unknown key " + in_quotes(item.key), item.key,
                         {"regular_expression", "default"});
    }
    const EndpointId application = setup.application(id->text).value_or(0);
    if (read_flag(setup, config->find("default"), "default", false)) {
      defaults_.push_back(application);
      default_names_.push_back(id->text);
    }
    const Setting* expression = config->find("regular_expression");
    if (expression == nullptr) return setup.fault(config->position, "regular_expression is missing");
    if (!read_pattern(setup, *expression, patterns_)) return;
    applications_.push_back(application);
    expressions_.push_back(expression->text);
    routes_.push_back({"inbound", "any", "to_addr contains " + in_quotes(expression->text), id->text, ""});
  }

  // `field` is where the address stood.
  void by_address(Field field, bool has_address, std::string_view address, Decision& decision) {
    if (has_address) {
      const std::vector<int>& matching = patterns_.matching(address);
      note(decision, address, matching);
      for (const int i : matching) decision.deliver(applications_[static_cast<size_t>(i)]);
      if (!matching.empty()) return;
    }
    if (defaults_.empty()) {
      decision.refuse(RefusalCode::no_route, has_address ? "no destination's expression is found in " +
                                                               in_quotes(address) + ", and none is marked default"
                                                         : "the message has no " + std::string(to_string(field)) +
                                                               ", and no destination is marked default");
      return;
    }
    if (Trail* trail = decision.trail()) {
      if (!has_address) trail->note("the message has no " + std::string(to_string(field)) + " to look into");
      trail->note("destinations marked default take what no expression finds");
    }
    for (const EndpointId application : defaults_) decision.deliver(application);
  }

  void note(Decision& decision, std::string_view address, const std::vector<int>& matching) const {
    Trail* trail = decision.trail();
    if (trail == nullptr) return;
    auto match = matching.begin();
    for (size_t i = 0; i < expressions_.size(); ++i) {
      const bool found = match != matching.end() && *match == static_cast<int>(i);
      if (found) ++match;
      trail->note("expression " + in_quotes(expressions_[i]) + (found ? " is found in " : " is not found in ") +
                  in_quotes(address));
    }
  }

  void add_routes(const RouterSetup& setup) {
    for (const std::string& name : default_names_) routes_.push_back({"inbound", "any", "otherwise", name, ""});
    if (defaults_.empty()) routes_.push_back({"inbound", "any", "otherwise", "refused: no_route", ""});
    const std::string condition(add_followed_event(setup, routes_));
    if (!setup.reply_tracking()) {
      routes_.push_back({"event", "any", "its message's from_addr is remembered", "as inbound to that address", ""});
    }
    routes_.push_back({"event", "any", setup.reply_tracking() ? condition : "otherwise", "refused: no_route", ""});
    if (!setup.transports().empty()) routes_.push_back({"outbound", "any", "", setup.transports().front(), ""});
  }

  EndpointId channel_ = 0;
  Patterns patterns_{Patterns::Match::anywhere};
  std::vector<EndpointId> applications_;  // by pattern
  std::vector<std::string> expressions_;  // the same, as written
  std::vector<EndpointId> defaults_;
  std::vector<std::string> default_names_;
  OutboundMemory memory_;
  std::vector<Route> routes_;
};

// The channel is the one transport; the destinations are the applications.
ListedNames list_names(SettingReader& reader) {
  ListedNames names;
  if (const Setting* channel = reader.require("channel")) {
    if (channel->type == Setting::Type::text) {
      names.transports.push_back({channel->text, channel->position});
    } else {
      reader.fault(channel->position,
                   "channel must be a transport's name, not " + std::string(to_string(channel->type)));
    }
  }
  const Setting* destinations = reader.require("destinations");
  if (destinations == nullptr) return names;
  if (destinations->type != Setting::Type::array) {
    reader.fault(destinations->position,
                 "destinations must be an array of {id, config}, not " + std::string(to_string(destinations->type)));
    return names;
  }
  if (destinations->items.empty()) reader.fault(destinations->position, "destinations is empty");
  for (const Setting& destination : destinations->items) {
    const Setting* id = destination.find("id");
    if (destination.type != Setting::Type::table) {
      reader.fault(destination.position,
                   "{id, config} is needed here, not " + std::string(to_string(destination.type)));
    } else if (id == nullptr) {
      reader.fault(destination.position, "id is missing");
    } else if (id->type != Setting::Type::text) {
      reader.fault(id->position, "id must be an application's name, not " + std::string(to_string(id->type)));
    } else {
      names.applications.push_back({id->text, id->position});
    }
  }
  return names;
}

std::unique_ptr<Router> make_from_address_router(RouterSetup& setup) {
  return std::make_unique<FromAddressRouter>(setup);
}

}  // namespace

RouterClass from_address_router() {
  return {.name = "FromAddressRouter",
          .make = make_from_address_router,
          .keys = {"channel", "destinations"},
          .list_names = list_names};
}

}  // namespace signalbox
