// RoutingTableDispatcher: from connector and endpoint to connector and endpoint, by one table for both directions.
//
// A connector is what other routers call a transport (receive_inbound_connectors) or an application
// (receive_outbound_connectors); an endpoint is a name in the message, routing_metadata.endpoint_name, "default" where
// it has none. The row for the sender and that endpoint names the one target and the endpoint that the message then
// carries. transport_name means nothing here: every transport may carry any.
//
// An event that follows its message carries the endpoint that the application sent on. That is remembered as a number
// beside the message's sender: the place of the endpoint's name in a list, plus one.
//
// Thread: one. Owns: its table, constant once made. Bounds: remembered_names_max names of endpoints.
// Tested by the cases in cases/routing_table.toml, and a naive twin.
#include <xxhash.h>

#include <algorithm>
#include <string>
#include <unordered_map>

#include "routers/built_in.hpp"
#include "routers/following.hpp"
#include "routers/reading_names.hpp"
#include "routers/text_map.hpp"

namespace signalbox {

namespace {

constexpr std::string_view default_endpoint = "default";
constexpr size_t remembered_names_max = 65'535;
constexpr std::array<std::string_view, Edit::path_keys_max> endpoint_path = {"routing_metadata", "endpoint_name"};

class RoutingTableDispatcher final : public Router {
 public:
  explicit RoutingTableDispatcher(RouterSetup& setup) {
    const Setting* table = setup.require("routing_table");
    if (!is_table(setup, table, "routing_table")) return;
    for (const Setting& connector : table->items) read_connector(setup, connector);
    if (setup.reply_tracking()) {
      routes_.push_back({"event", "any", "its message is remembered", "who sent that message",
                         "endpoint = the one that it was sent on"});
    }
  }

  void inbound(const Incoming& incoming, Decision& decision) override { by_table(incoming, decision); }

  void event(const Incoming& incoming, Decision& decision) override {
    if (!follow_event(incoming, decision)) {
      by_table(incoming, decision);
      return;
    }
    if (const auto known = endpoints_.find(incoming.followed->tag); known != endpoints_.end()) {
      decision.edit({.operation = Edit::Operation::set, .path = endpoint_path, .value = known->second});
    }
  }

  void outbound(const Incoming& incoming, Decision& decision) override {
    if (const Row* row = by_table(incoming, decision)) decision.remember_as(row->tag);
  }

  bool uses_transport_name() const override { return false; }
  bool keeps_state() const override { return false; }
  std::vector<Route> routes() const override { return routes_; }

 private:
  struct Row {
    EndpointId target = 0;
    std::string endpoint;  // encoded: what the message carries from here on
    uint16_t tag = 0;      // stands for the endpoint that it came on
  };

  const Row* by_table(const Incoming& incoming, Decision& decision) const {
    std::string_view endpoint = incoming.message.endpoint_name();
    if (endpoint.empty()) endpoint = default_endpoint;
    const Row* row = nullptr;
    if (incoming.sender < rows_.size()) {
      const auto found = rows_[incoming.sender].find(endpoint);
      if (found != rows_[incoming.sender].end()) row = &found->second;
    }
    if (row == nullptr) {
      decision.refuse(RefusalCode::no_route,
                      "routing_table has no row for the sender's endpoint " + in_quotes(endpoint));
      return nullptr;
    }
    if (Trail* trail = decision.trail())
      trail->note("routing_table has a row for the sender's endpoint " + in_quotes(endpoint));
    decision.deliver(row->target);
    decision.edit({.operation = Edit::Operation::set, .path = endpoint_path, .value = row->endpoint});
    return row;
  }

  void read_connector(RouterSetup& setup, const Setting& connector) {
    std::optional<EndpointId> source = setup.transport(connector.key);
    const Role target_role = source ? Role::application : Role::transport;
    if (!source) source = setup.application(connector.key);
    if (connector.key.empty()) {
      setup.fault(connector.key_position, "a name must not be empty");
    } else if (!source) {
      std::vector<std::string> known = setup.transports();
      known.insert(known.end(), setup.applications().begin(), setup.applications().end());
      setup.unknown_name(connector.key_position, in_quotes(connector.key) + " is no connector of this dispatcher",
                         connector.key, known);
    }
    if (connector.type != Setting::Type::table) {
      setup.fault(connector.position,
                  "a table of endpoints is needed here, not " + std::string(to_string(connector.type)));
      return;
    }
    if (!source) return;
    for (const Setting& entry : connector.items) read_row(setup, *source, connector.key, entry, target_role);
  }

  void read_row(RouterSetup& setup, EndpointId source, const std::string& connector, const Setting& entry,
                Role target_role) {
    if (entry.key.empty()) setup.fault(entry.key_position, "an endpoint's name must not be empty");
    if (entry.type != Setting::Type::array || entry.items.size() != 2) {
      setup.fault(entry.position, "a row's target is [connector, endpoint], two strings");
      return;
    }
    const auto target = read_endpoint(setup, entry.items[0], target_role);
    if (!is_text(setup, &entry.items[1], "an endpoint's name") || !target || entry.key.empty()) return;
    Row row{.target = *target, .endpoint = {}, .tag = tag_of(setup, entry)};
    append_text(row.endpoint, entry.items[1].text);
    if (rows_.size() <= source) rows_.resize(source + 1);
    rows_[source].emplace(entry.key, std::move(row));
    add_routes(setup, connector, entry, target_role);
  }

  // The tag follows from the name, so that what is remembered under one configuration can be read under the next.
  uint16_t tag_of(RouterSetup& setup, const Setting& entry) {
    if (const auto known = tags_.find(entry.key); known != tags_.end()) return known->second;
    if (endpoints_.size() == remembered_names_max) {
      setup.fault(entry.key_position,
                  "there are more than " + std::to_string(remembered_names_max) + " names of endpoints in this table");
      return 0;
    }
    auto tag = static_cast<uint16_t>(XXH3_64bits(entry.key.data(), entry.key.size()));
    while (tag == 0 || endpoints_.contains(tag)) ++tag;
    append_text(endpoints_[tag], entry.key);
    tags_.emplace(entry.key, tag);
    return tag;
  }

  void add_routes(const RouterSetup& setup, const std::string& connector, const Setting& entry, Role target_role) {
    const bool inward = target_role == Role::application;
    const std::string condition = "endpoint is " + in_quotes(entry.key);
    const std::string rewrite = "endpoint = " + in_quotes(entry.items[1].text);
    routes_.push_back({inward ? "inbound" : "outbound", connector, condition, entry.items[0].text, rewrite});
    if (!inward) return;
    routes_.push_back({"event", connector,
                       setup.reply_tracking() ? condition + ", its message is not remembered" : condition,
                       entry.items[0].text, rewrite});
  }

  std::vector<TextMap<Row>> rows_;                       // by sender, then by endpoint
  std::unordered_map<uint16_t, std::string> endpoints_;  // encoded, by tag; 0 is no tag
  TextMap<uint16_t> tags_;
  std::vector<Route> routes_;
};

ListedNames list_connectors(SettingReader& reader) {
  ListedNames names;
  for (const bool inbound : {true, false}) {
    const std::string_view key = inbound ? "receive_inbound_connectors" : "receive_outbound_connectors";
    const Setting* list = reader.require(key);
    if (list == nullptr) continue;
    if (list->type != Setting::Type::array) {
      reader.fault(list->position,
                   std::string(key) + " must be an array of names, not " + std::string(to_string(list->type)));
      continue;
    }
    if (inbound && list->items.empty()) {
      reader.fault(list->position, std::string(key) + " is empty: a dispatcher needs a transport");
    }
    for (const Setting& item : list->items) {
      if (item.type == Setting::Type::text) {
        (inbound ? names.transports : names.applications).push_back({item.text, item.position});
      } else {
        reader.fault(item.position, "a name is needed here, not " + std::string(to_string(item.type)));
      }
    }
  }
  return names;
}

std::unique_ptr<Router> make_routing_table_dispatcher(RouterSetup& setup) {
  return std::make_unique<RoutingTableDispatcher>(setup);
}

}  // namespace

RouterClass routing_table_dispatcher() {
  return {.name = "RoutingTableDispatcher",
          .make = make_routing_table_dispatcher,
          .keys = {"receive_inbound_connectors", "receive_outbound_connectors", "routing_table"},
          .list_names = list_connectors};
}

}  // namespace signalbox
