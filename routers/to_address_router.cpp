// ToAddressRouter, vumi2's: patterns in order, and the first that matches to_addr says which application it is for.
//
// The applications are those that to_address_mappings and default_app name; there is no list of them. Replies that are
// remembered go where the original came from, the rest by transport_name. An event whose message the broker does not
// remember goes by the from_addr of that message, where this router has kept it (reply_tracking = false), as if it were
// the to_addr of an inbound one.
//
// Thread: one. Owns: its patterns, constant once made, and its memory of outbound messages.
// Tested by the cases in cases/to_address.toml, and a naive twin.
#include <algorithm>
#include <string>
#include <unordered_set>

#include "routers/built_in.hpp"
#include "routers/following.hpp"
#include "routers/outbound_memory.hpp"
#include "routers/reading_patterns.hpp"

namespace signalbox {

namespace {

constexpr int64_t cache_timeout_s_default = 3600;
constexpr int64_t cache_timeout_s_max = int64_t{10} * 365 * 24 * 60 * 60;

uint64_t read_timeout_ms(RouterSetup& setup) {
  const Setting* config = setup.find("message_cache_config");
  if (config == nullptr) return cache_timeout_s_default * 1000;
  if (config->type != Setting::Type::table) {
    setup.fault(config->position, "message_cache_config must be a table, not " + std::string(to_string(config->type)));
    return 0;
  }
  int64_t timeout_s = cache_timeout_s_default;
  for (const Setting& item : config->items) {
    if (item.key != "timeout") {
      setup.unknown_name(item.key_position, "unknown key " + in_quotes(item.key), item.key, {"timeout"});
    } else if (item.type != Setting::Type::integer || item.integer < 1 || item.integer > cache_timeout_s_max) {
      setup.fault(item.position,
                  "timeout must be a number of seconds from 1 to " + std::to_string(cache_timeout_s_max));
    } else {
      timeout_s = item.integer;
    }
  }
  return static_cast<uint64_t>(timeout_s) * 1000;
}

class ToAddressRouter final : public Router {
 public:
  explicit ToAddressRouter(RouterSetup& setup)
      : memory_(setup, std::string(setup.dispatcher_name()) + ":to_address", read_timeout_ms(setup)) {
    for (const std::string& name : setup.transports()) {
      const EndpointId transport = *setup.transport(name);
      names_.resize(std::max<size_t>(names_.size(), transport + size_t{1}));
      names_[transport] = name;
    }
    const Setting* mappings = setup.require("to_address_mappings");
    if (mappings != nullptr && mappings->type == Setting::Type::array) {
      for (const Setting& entry : mappings->items) read_mapping(setup, entry);
    }
    patterns_.prepare();
    const Setting* otherwise = setup.find("default_app");
    if (otherwise != nullptr && !otherwise->text.empty()) default_ = setup.application(otherwise->text);
    add_routes(setup, otherwise);
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

  void outbound(const Incoming& incoming, Decision& decision) override {
    if (follow_reply(incoming, decision)) return;
    if (incoming.transport) {
      if (Trail* trail = decision.trail()) {
        note_transport(*trail, names_[*incoming.transport] == incoming.transport_name);
      }
      decision.deliver(*incoming.transport);
    } else if (incoming.transport_name.empty()) {
      decision.refuse(RefusalCode::unknown_endpoint,
                      "the message has no transport_name, and is no reply to a message that is remembered");
    } else {
      decision.refuse(RefusalCode::unknown_endpoint,
                      "transport_name " + in_quotes(incoming.transport_name) + " is no transport of this dispatcher");
    }
  }

  void taken(const Incoming& incoming) override {
    if (incoming.direction == Direction::outbound) memory_.remember(incoming, Field::from_addr);
  }

  bool keeps_state() const override { return memory_.is_kept(); }
  std::vector<Route> routes() const override { return routes_; }

 private:
  void read_mapping(RouterSetup& setup, const Setting& entry) {
    if (entry.type != Setting::Type::table) return;  // said where the names were listed
    for (const Setting& item : entry.items) {
      if (item.key == "name" || item.key == "pattern") continue;
      setup.unknown_name(item.key_position, "unknown key " + in_quotes(item.key), item.key, {"name", "pattern"});
    }
    const Setting* pattern = entry.find("pattern");
    if (pattern == nullptr) return setup.fault(entry.position, "pattern is missing");
    if (!read_pattern(setup, *pattern, patterns_)) return;
    const Setting* name = entry.find("name");
    const std::string application = name == nullptr ? "" : name->text;
    applications_.push_back(setup.application(application).value_or(0));
    expressions_.push_back(pattern->text);
    routes_.push_back({"inbound", "any", "to_addr matches " + in_quotes(pattern->text), application, ""});
  }

  // `field` is where the address stood.
  void by_address(Field field, bool has_address, std::string_view address, Decision& decision) {
    const int first = has_address ? patterns_.first(address) : -1;
    note(decision, field, has_address, address, first);
    if (first >= 0) {
      decision.deliver(applications_[static_cast<size_t>(first)]);
    } else if (default_) {
      decision.deliver(*default_);
    } else {
      decision.refuse(RefusalCode::no_route, has_address ? "no pattern of to_address_mappings matches " +
                                                               in_quotes(address) + ", and there is no default_app"
                                                         : "the message has no " + std::string(to_string(field)) +
                                                               ", and there is no default_app");
    }
  }

  void note(Decision& decision, Field field, bool has_address, std::string_view address, int first) const {
    Trail* trail = decision.trail();
    if (trail == nullptr) return;
    if (!has_address) trail->note("the message has no " + std::string(to_string(field)) + " for a pattern to match");
    for (size_t i = 0; has_address && i < expressions_.size() && (first < 0 || i <= static_cast<size_t>(first)); ++i) {
      trail->note("pattern " + in_quotes(expressions_[i]) +
                  (static_cast<int>(i) == first ? " matches " : " does not match ") + in_quotes(address));
    }
    if (first < 0 && default_) trail->note("default_app takes what no pattern matches");
  }

  void add_routes(RouterSetup& setup, const Setting* otherwise) {
    routes_.push_back({"inbound", "any", "otherwise", default_ ? otherwise->text : "refused: no_route", ""});
    const std::string condition(add_followed_event(setup, routes_));
    if (setup.reply_tracking()) {
      routes_.push_back({"event", "any", condition, "refused: no_route", ""});
    } else {
      routes_.push_back({"event", "any", "its message's from_addr is remembered", "as inbound to that address", ""});
      routes_.push_back({"event", "any", "otherwise", "refused: no_route", ""});
    }
    add_followed_reply(setup, routes_);
    routes_.push_back({"outbound", "any", "transport_name is a transport", "that transport", ""});
    routes_.push_back({"outbound", "any", "otherwise", "refused: unknown_endpoint", ""});
  }

  Patterns patterns_{Patterns::Match::at_start};
  std::vector<EndpointId> applications_;  // by pattern
  std::vector<std::string> expressions_;  // the same, as written
  std::optional<EndpointId> default_;
  std::vector<std::string> names_;  // of the transports, by endpoint
  OutboundMemory memory_;
  std::vector<Route> routes_;
};

std::unique_ptr<Router> make_to_address_router(RouterSetup& setup) {
  return std::make_unique<ToAddressRouter>(setup);
}

std::vector<ListedName> list_transports(SettingReader& reader) {
  std::vector<ListedName> names;
  const Setting* transports = reader.require("transport_names");
  if (transports == nullptr) return names;
  if (transports->type != Setting::Type::array) {
    reader.fault(transports->position, "transport_names must be an array of transports' names, not " +
                                           std::string(to_string(transports->type)));
    return names;
  }
  if (transports->items.empty())
    reader.fault(transports->position, "transport_names is empty: a dispatcher needs a transport");
  for (const Setting& item : transports->items) {
    if (item.type == Setting::Type::text) {
      names.push_back({item.text, item.position});
    } else {
      reader.fault(item.position, "a name must be a string, not " + std::string(to_string(item.type)));
    }
  }
  return names;
}

// The application that an entry of to_address_mappings names; null, and a fault, where it names none.
const Setting* name_of(SettingReader& reader, const Setting& entry) {
  const Setting* name = entry.find("name");
  if (entry.type != Setting::Type::table) {
    reader.fault(entry.position, "{name, pattern} is needed here, not " + std::string(to_string(entry.type)));
  } else if (name == nullptr) {
    reader.fault(entry.position, "name is missing");
  } else if (name->type != Setting::Type::text) {
    reader.fault(name->position, "an application's name is needed here, not " + std::string(to_string(name->type)));
  } else {
    return name;
  }
  return nullptr;
}

// The applications are the names in the mappings, each once, and default_app.
ListedNames list_names(SettingReader& reader) {
  ListedNames names{.transports = list_transports(reader), .applications = {}};
  std::unordered_set<std::string_view> listed;
  const auto add = [&](const Setting& name) {
    if (listed.insert(name.text).second) names.applications.push_back({name.text, name.position});
  };
  const Setting* mappings = reader.require("to_address_mappings");
  if (mappings != nullptr && mappings->type != Setting::Type::array) {
    reader.fault(mappings->position, "to_address_mappings must be an array of {name, pattern}, not " +
                                         std::string(to_string(mappings->type)));
  } else if (mappings != nullptr) {
    for (const Setting& entry : mappings->items) {
      if (const Setting* name = name_of(reader, entry)) add(*name);
    }
  }
  const Setting* otherwise = reader.find("default_app");
  if (otherwise != nullptr && otherwise->type != Setting::Type::text) {
    reader.fault(otherwise->position,
                 "an application's name is needed here, not " + std::string(to_string(otherwise->type)));
  } else if (otherwise != nullptr && !otherwise->text.empty()) {
    add(*otherwise);
  }
  return names;
}

}  // namespace

RouterClass to_address_router() {
  return {.name = "ToAddressRouter",
          .make = make_to_address_router,
          .keys = {"to_address_mappings", "default_app", "message_cache_config"},
          .list_names = list_names};
}

}  // namespace signalbox
