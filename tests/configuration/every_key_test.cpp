// Every key of every table with a value of every type: what is of the wrong type is a fault at the value, and says
// which type it has. The keys are those of the code's own lists, so that none is forgotten.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "broker/configuration_broker.hpp"
#include "broker/configuration_dispatcher.hpp"
#include "tests/configuration/reading.hpp"

namespace signalbox::testing {
namespace {

struct Sample {
  std::string type;  // as faults call it
  std::string value;
};
const std::vector<Sample> samples = {
    {"a string", "'nobody'"},
    {"an integer", "7"},
    {"a float", "1.5"},
    {"a boolean", "true"},
    {"an array", "[false]"},
    {"a table", "{x = []}"},
    {"a date or a time", "1979-05-27"},
};

using Types = std::set<std::string>;
using TypesByKey = std::map<std::string, Types>;
// A table's lines, in order: key and value.
using Entries = std::vector<std::pair<std::string, std::string>>;

const Types text = {"a string"};
const Types integer = {"an integer"};
const Types boolean = {"a boolean"};
const Types array = {"an array"};
const Types table = {"a table"};

// True: a fault at this place ends by saying that there stands another type than is needed.
bool says_wrong_type(const std::vector<Fault>& faults, Position where, const std::string& type) {
  return std::ranges::any_of(faults, [&](const Fault& fault) {
    return fault.where.line == where.line && fault.where.column == where.column &&
           fault.text.ends_with(", not " + type);
  });
}

// Puts each sample under `key`, among `others` below the line `header`, and compares what is said of its type.
void try_every_type(const std::string& header, const Entries& others, const std::string& key, const Types& right) {
  for (const Sample& sample : samples) {
    std::string toml = header + key + " = " + sample.value + '\n';
    for (const auto& [other, value] : others) {
      const bool is_the_same_key = key == "route_mappings" && other == "routing_mappings";
      if (other != key && !is_the_same_key) toml += std::string(other).append(" = ").append(value).append("\n");
    }
    const auto line = static_cast<uint32_t>(1 + std::ranges::count(header, '\n'));
    const auto column = static_cast<uint32_t>(key.size() + 4);
    const ConfigurationResult result = read(toml);
    EXPECT_EQ(says_wrong_type(result.faults, {line, column}, sample.type), !right.contains(sample.type))
        << toml << ::testing::PrintToString(as_lines(result.faults));
    if (!right.contains(sample.type)) {
      EXPECT_EQ(result.configuration, nullptr) << toml;
    }
  }
}

Types keys_of(const TypesByKey& keys) {
  Types names;
  for (const auto& [key, types] : keys) names.insert(key);
  return names;
}

Types as_set(const std::vector<std::string>& words) {
  return {words.begin(), words.end()};
}

TEST(EveryKey, OfTheBroker) {
  TypesByKey keys = {{"endpoint", text},   {"endpoints", array}, {"insecure", boolean}, {"secret_key_file", text},
                     {"secret_key", text}, {"idle", text},       {"plugins", array},    {"lane_cpus", array}};
  for (const std::string& key : broker_keys()) keys.emplace(key, integer);
  EXPECT_EQ(keys_of(keys), as_set(broker_keys()));
  for (const auto& [key, right] : keys) try_every_type(sound + "[broker]\n", {}, key, right);
}

TEST(EveryKey, OfAnEndpoint) {
  TypesByKey keys = {{"overflow", text}, {"expired", text}};
  for (const std::string& key : endpoint_keys()) keys.emplace(key, integer);
  EXPECT_EQ(keys_of(keys), as_set(endpoint_keys()));
  for (const auto& [key, right] : keys) {
    try_every_type(sound + "[endpoint_defaults]\n", {}, key, right);
    try_every_type(sound + "[endpoints.sms]\n", {}, key, right);
    try_every_type(sound + "[endpoints.dead_letters]\n", {}, key, right);
  }
}

const Entries simple = {{"router_class", "'SimpleDispatchRouter'"},
                        {"transport_names", "['sms', 'ussd']"},
                        {"exposed_names", "['log', 'survey']"},
                        {"routing_mappings", "{sms = 'log', ussd = 'survey'}"}};

Entries with_class(const std::string& router_class, const Entries& more = {}) {
  Entries entries = {{"router_class", '\'' + router_class + '\''},
                     {"transport_names", "['sms', 'ussd']"},
                     {"exposed_names", "['log']"}};
  entries.insert(entries.end(), more.begin(), more.end());
  return entries;
}

TEST(EveryKey, OfADispatcher) {
  const TypesByKey keys = {{"router_class", text},      {"transport_names", array},
                           {"exposed_names", array},    {"name", text},
                           {"reply_tracking", boolean}, {"relays", array},
                           {"dead_letters", text},      {"expire_routing_memory", {"an integer", "a string"}},
                           {"middleware", array}};
  EXPECT_EQ(keys_of(keys), as_set(DispatcherReader::common_keys()));
  for (const auto& [key, right] : keys) {
    try_every_type("", simple, key, right);
    try_every_type("[[dispatcher]]\n", simple, key, right);
  }
}

// A router without fault, and what types each of its keys takes.
struct RouterKeys {
  Entries sound;
  TypesByKey keys;
};

const std::map<std::string, RouterKeys>& router_keys() {
  static const RouterKeys redirecting = {
      {{"redirect_inbound", "{sms = 'log'}"}, {"redirect_outbound", "{log = 'sms'}"}},
      {{"redirect_inbound", table}, {"redirect_outbound", table}}};
  static const std::map<std::string, RouterKeys> all = {
      {"SimpleDispatchRouter",
       {{{"routing_mappings", "{sms = 'log', ussd = 'log'}"}},
        {{"routing_mappings", table}, {"route_mappings", table}, {"transport_mappings", table}}}},
      {"TransportToTransportRouter",
       {{{"routing_mappings", "{sms = 'ussd', ussd = 'sms'}"}},
        {{"routing_mappings", table}, {"route_mappings", table}}}},
      {"ToAddrRouter",
       {{{"toaddr_mappings", "{log = '1'}"}}, {{"toaddr_mappings", table}, {"transport_mappings", table}}}},
      {"FromAddrMultiplexRouter", {{{"fromaddr_mappings", "{8001 = 'sms'}"}}, {{"fromaddr_mappings", table}}}},
      {"UserGroupingRouter",
       {{{"group_mappings", "{one = 'log'}"}, {"dispatcher_name", "'groups'"}},
        {{"group_mappings", table},
         {"dispatcher_name", text},
         {"transport_mappings", table},
         {"routing_mappings", table},
         {"route_mappings", table}}}},
      {"ContentKeywordRouter",
       {{{"dispatcher_name", "'keywords'"}, {"transport_mappings", "{8001 = 'sms'}"}},
        {{"rules", array},
         {"keyword_mappings", table},
         {"fallback_application", text},
         {"transport_mappings", table},
         {"dispatcher_name", text}}}},
      {"RedirectRouter", redirecting},
      {"RedirectOutboundRouter", redirecting},
      {"LoadBalancingRouter",
       {{}, {{"reply_affinity", boolean}, {"rewrite_transport_names", boolean}, {"rewrite_transport_name", boolean}}}},
      {"RoutingTableDispatcher",
       {{{"receive_inbound_connectors", "['sms']"},
         {"receive_outbound_connectors", "['log']"},
         {"routing_table", "{sms = {default = ['log', 'default']}}"}},
        {{"receive_inbound_connectors", array}, {"receive_outbound_connectors", array}, {"routing_table", table}}}},
      {"ToAddressRouter",
       {{{"to_address_mappings", "[{name = 'log', pattern = '1'}]"}},
        {{"to_address_mappings", array}, {"default_app", text}, {"message_cache_config", table}}}},
      {"FromAddressRouter",
       {{{"channel", "'sms'"}, {"destinations", "[{id = 'log', config = {regular_expression = '1'}}]"}},
        {{"channel", text}, {"destinations", array}}}},
  };
  return all;
}

TEST(EveryKey, OfEveryRouter) {
  for (const RouterClass& router : registry().all()) {
    const auto found = router_keys().find(router.name);
    ASSERT_NE(found, router_keys().end()) << router.name;
    EXPECT_EQ(keys_of(found->second.keys), as_set(router.keys)) << router.name;
    Entries entries = with_class(router.name, found->second.sound);
    if (router.list_names != nullptr) {  // its endpoints are listed under other keys
      std::erase_if(entries, [&](const auto& entry) {
        return entry.first == "exposed_names" || (entry.first == "transport_names" && router.name != "ToAddressRouter");
      });
    }
    std::string whole;
    for (const auto& [key, value] : entries) whole += std::string(key).append(" = ").append(value).append("\n");
    EXPECT_EQ(faults_of(whole), Lines{}) << whole;
    for (const auto& [key, right] : found->second.keys) {
      try_every_type("", entries, key, right);
      try_every_type("[[dispatcher]]\n", entries, key, right);
    }
  }
}

// The keys within the items of a router's lists.
TEST(EveryKey, OfTheItemsOfRouters) {
  struct Inner {
    std::string router;
    std::string before;  // on the line in front of the value
    std::string after;
    Types right;
  };
  const Inner all[] = {
      {"ContentKeywordRouter", "rules = [{keyword = 'a', app = ", "}]", text},
      {"ContentKeywordRouter", "rules = [{app = 'log', keyword = ", "}]", text},
      {"ContentKeywordRouter", "rules = [{app = 'log', keyword = 'a', to_addr = ", "}]", text},
      {"ContentKeywordRouter", "rules = [{app = 'log', keyword = 'a', prefix = ", "}]", text},
      {"ContentKeywordRouter", "rules = [", "]", table},
      {"ContentKeywordRouter", "keyword_mappings = {log = ", "}", text},
      {"ToAddressRouter", "to_address_mappings = [{pattern = '1', name = ", "}]", text},
      {"ToAddressRouter", "to_address_mappings = [{name = 'log', pattern = ", "}]", text},
      {"ToAddressRouter", "to_address_mappings = [", "]", table},
      {"FromAddressRouter", "destinations = [{config = {regular_expression = '1'}, id = ", "}]", text},
      {"FromAddressRouter", "destinations = [{id = 'log', config = ", "}]", table},
      {"FromAddressRouter", "destinations = [{id = 'log', config = {regular_expression = ", "}}]", text},
      {"FromAddressRouter", "destinations = [{id = 'log', config = {regular_expression = '1', default = ", "}}]",
       boolean},
      {"FromAddressRouter", "destinations = [", "]", table},
      {"RoutingTableDispatcher", "receive_inbound_connectors = ['sms', ", "]", text},
      {"RoutingTableDispatcher", "receive_outbound_connectors = ['log', ", "]", text},
      {"RoutingTableDispatcher", "routing_table = {sms = ", "}", table},
      {"RoutingTableDispatcher", "routing_table = {sms = {default = [", ", 'default']}}", text},
      {"RoutingTableDispatcher", "routing_table = {sms = {default = ['log', ", "]}}", text},
      {"ToAddrRouter", "toaddr_mappings = {log = ", "}", text},
      {"FromAddrMultiplexRouter", "fromaddr_mappings = {8001 = ", "}", text},
      {"UserGroupingRouter", "group_mappings = {one = ", "}", text},
      {"RedirectRouter", "redirect_inbound = {sms = ", "}", text},
      {"RedirectRouter", "redirect_outbound = {log = ", "}", text},
      {"SimpleDispatchRouter", "routing_mappings = {sms = ", "}", {"a string", "an array"}},
      {"SimpleDispatchRouter", "routing_mappings = {sms = [", "]}", text},
      {"SimpleDispatchRouter", "transport_mappings = {any = ", "}", text},
      {"SimpleDispatchRouter", "transport_names = ['sms', 'ussd', ", "]", text},
      {"SimpleDispatchRouter", "exposed_names = ['log', ", "]", text},
      {"SimpleDispatchRouter", "relays = [", "]", text},
      {"SimpleDispatchRouter", "middleware = [", "]", table},
      {"SimpleDispatchRouter", "middleware = [{a = ", "}]", {"a string", "a table"}},
  };
  for (const Inner& inner : all) {
    const std::string key = inner.before.substr(0, inner.before.find(' '));
    std::string others;
    const bool lists_others = inner.router == "FromAddressRouter" || inner.router == "RoutingTableDispatcher";
    for (const auto& [other, value] : with_class(inner.router, router_keys().at(inner.router).sound)) {
      const bool is_list = other == "exposed_names" || other == "transport_names";
      const bool is_read =
          other == "transport_names" ? !lists_others : !lists_others && inner.router != "ToAddressRouter";
      if (other == key || (is_list && !is_read)) continue;
      others += std::string(other).append(" = ").append(value).append("\n");
    }
    for (const Sample& sample : samples) {
      const ConfigurationResult result = read(inner.before + sample.value + inner.after + '\n' + others);
      const Position where = {1, static_cast<uint32_t>(inner.before.size() + 1)};
      EXPECT_EQ(says_wrong_type(result.faults, where, sample.type), !inner.right.contains(sample.type))
          << inner.before << sample.value << inner.after << '\n'
          << ::testing::PrintToString(as_lines(result.faults));
    }
  }
}

}  // namespace
}  // namespace signalbox::testing
