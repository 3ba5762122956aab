#include "broker/configuration_broker.hpp"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "broker/configuration_address.hpp"
#include "broker/configuration_values.hpp"
#include "protocol/limits.hpp"

namespace signalbox {

namespace {

constexpr std::string_view default_endpoint = "tcp://127.0.0.1:5570";
constexpr uint64_t max_users_default = 10'000'000;
constexpr uint64_t day_ms = 24 * 60 * 60 * 1000;
constexpr uint64_t gibibyte = 1024 * limits::mebibyte;

// A whole number of some struct, with the range in which it may lie.
template <typename Struct>
struct NumberKey {
  std::string_view key;
  uint64_t Struct::*field;
  uint64_t least;
  uint64_t most;
};

// max_message_bytes ends where the default of an endpoint's max_bytes lies, so that the default always takes a message;
// max_prefetch where an ACK that names as many numbers would be longer than a header may be.
constexpr NumberKey<Settings> broker_numbers[] = {
    {"heartbeat_ms", &Settings::heartbeat_ms, 10, 60 * 60 * 1000},
    {"max_message_bytes", &Settings::max_message_bytes, 64, limits::queue_bytes},
    {"max_batch_bytes", &Settings::max_batch_bytes, 64, gibibyte},
    {"send_window", &Settings::send_window, 1, 1'048'576},
    {"send_window_bytes", &Settings::send_window_bytes, 1, 64 * gibibyte},
    {"max_prefetch", &Settings::max_prefetch, 1, (limits::header_bytes_max - 64) / 9},
    {"max_registrations", &Settings::max_registrations, 1, 1'000'000},
    {"max_registrations_a_second", &Settings::max_registrations_a_second, 1, 1'000'000},
    {"max_sessions", &Settings::max_sessions, 1, 10'000'000},
    {"max_unsettled_bytes", &Settings::max_unsettled_bytes, 1, 64 * gibibyte},
    {"routing_memory_bytes", &Settings::routing_memory_bytes, 64 * limits::kibibyte, 256 * gibibyte},
    {"session_ttl", &Settings::session_ttl_s, 0, 30 * 24 * 60 * 60},
    {"drain_ms", &Settings::drain_ms, 0, day_ms},
    {"removed_endpoint_ms", &Settings::removed_endpoint_ms, 0, day_ms},
    {"max_log_lines_a_second", &Settings::max_log_lines_a_second, 1, 1'000'000},
};

constexpr NumberKey<EndpointSettings> endpoint_numbers[] = {
    {"max_bytes", &EndpointSettings::max_bytes, 1, 1024 * gibibyte},
    {"max_messages", &EndpointSettings::max_messages, 1, 4'000'000'000},
    {"block_ms", &EndpointSettings::block_ms, 0, day_ms},
    {"redeliver_ms", &EndpointSettings::redeliver_ms, 1, limits::redeliver_ms_max},
    {"message_ttl_ms", &EndpointSettings::message_ttl_ms, 0, 30 * day_ms},
    {"ack_timeout_ms", &EndpointSettings::ack_timeout_ms, 0, day_ms},
};
constexpr uint64_t max_deliveries_most = 255;  // failures are counted in a byte beside each message

void add_endpoint(const Setting& item, Configuration& configuration, FaultList& faults) {
  if (!check_type(item, Setting::Type::text, "a string such as \"tcp://127.0.0.1:5570\"", faults)) return;
  Address address = parse_address(item.text);
  if (!address.fault.empty()) {
    faults.fault(item.position, "endpoint " + in_quotes(item.text) + ": " + address.fault);
    return;
  }
  if (std::ranges::find(configuration.endpoints, address.text) != configuration.endpoints.end()) {
    faults.fault(item.position, "endpoint " + in_quotes(item.text) + " is listed twice");
    return;
  }
  if (address.reachable && !configuration.insecure && !configuration.settings.keys_required) {
    faults.fault(item.position, "endpoint " + in_quotes(item.text) +
                                    " can be reached from other machines, and without keys nothing is encrypted: give "
                                    "the broker a secret_key_file and its workers [[peer]] tables, bind to 127.0.0.1, "
                                    "or allow it with insecure = true in [broker]");
  }
  configuration.endpoints.push_back(std::move(address.text));
}

void read_endpoints(const Setting& section, Configuration& configuration, FaultList& faults) {
  const Setting* one = section.find("endpoint");
  const Setting* several = section.find("endpoints");
  if (one != nullptr && several != nullptr) {
    const bool several_is_first = several < one;  // items stand in the order of the file
    faults.fault((several_is_first ? one : several)->key_position,
                 "endpoint and endpoints are one setting; give one of them");
  }
  if (one != nullptr) add_endpoint(*one, configuration, faults);
  if (several != nullptr && check_type(*several, Setting::Type::array, "an array of strings", faults)) {
    if (several->items.empty()) faults.fault(several->position, "the list of endpoints is empty");
    for (const Setting& item : several->items) add_endpoint(item, configuration, faults);
  }
}

void read_idle(const Setting& setting, Configuration& configuration, FaultList& faults) {
  const std::vector<std::string> ways = {"sleep", "yield", "spin"};
  if (!check_type(setting, Setting::Type::text, "\"sleep\", \"yield\" or \"spin\"", faults)) return;
  const auto found = std::ranges::find(ways, setting.text);
  if (found == ways.end()) {
    faults.unknown_name(setting.position,
                        "idle must be \"sleep\", \"yield\" or \"spin\", not " + in_quotes(setting.text), setting.text,
                        ways);
  } else {
    configuration.idle = static_cast<Idle>(found - ways.begin());
  }
}

// `lanes` is empty where the setting is at fault: then nobody knows how many processors to name.
void read_lane_cpus(const Setting& setting, std::optional<uint64_t> lanes, Configuration& configuration,
                    FaultList& faults) {
  if (!check_type(setting, Setting::Type::array, "an array of processors' numbers, one for each lane", faults)) return;
  if (lanes && setting.items.size() != *lanes) {
    faults.fault(setting.position, "lane_cpus must name one processor for each lane: there are " +
                                       std::to_string(*lanes) + " lanes, and " + std::to_string(setting.items.size()) +
                                       (setting.items.size() == 1 ? " is named" : " are named"));
  }
  for (Setting item : setting.items) {
    item.key = "a processor in lane_cpus";
    if (const auto cpu = read_number(item, 0, limits::processors_max - 1, faults)) {
      configuration.lane_cpus.push_back(static_cast<uint32_t>(*cpu));
    }
  }
}

void read_threads(const Setting& section, Configuration& configuration, FaultList& faults) {
  std::optional<uint64_t> count = configuration.settings.lanes;
  if (const Setting* lanes = section.find("lanes")) {
    count = read_number(*lanes, 0, limits::lanes_max, faults);
    configuration.settings.lanes = static_cast<uint32_t>(count.value_or(0));
  }
  if (const Setting* cpus = section.find("lane_cpus")) read_lane_cpus(*cpus, count, configuration, faults);
  if (const Setting* idle = section.find("idle")) read_idle(*idle, configuration, faults);
}

// What a number that is at fault is taken to be. The two that others are compared with become what nothing can be at
// odds with: what would only follow from the fault is not told.
uint64_t stand_in(const NumberKey<Settings>& number) {
  if (number.field == &Settings::max_message_bytes) return 0;
  return number.field == &Settings::max_batch_bytes ? number.most : number.least;
}

void check_batch_holds_a_message(const Setting& section, const Settings& settings, FaultList& faults) {
  if (settings.max_batch_bytes >= settings.max_message_bytes) return;
  const Setting* batch = section.find("max_batch_bytes");
  const Setting* message = section.find("max_message_bytes");
  faults.fault((batch != nullptr ? batch : message)->position,
               "max_batch_bytes (" + std::to_string(settings.max_batch_bytes) +
                   ") must not be below max_message_bytes (" + std::to_string(settings.max_message_bytes) +
                   "): a batch must hold any one message");
}

Overflow read_overflow(const Setting& setting, const EndpointSettings& endpoint, FaultList& faults) {
  const std::vector<std::string> policies = {"block", "refuse", "drop_oldest"};
  if (!check_type(setting, Setting::Type::text, "\"block\", \"refuse\" or \"drop_oldest\"", faults)) {
    return endpoint.overflow;
  }
  const auto found = std::ranges::find(policies, setting.text);
  if (found == policies.end()) {
    faults.unknown_name(setting.position,
                        "overflow must be \"block\", \"refuse\" or \"drop_oldest\", not " + in_quotes(setting.text),
                        setting.text, policies);
    return endpoint.overflow;
  }
  const auto overflow = static_cast<Overflow>(found - policies.begin());
  if (endpoint.dead_letters && overflow != Overflow::drop_oldest) {
    faults.fault(setting.position, "dead letters always make room by dropping the oldest");
  }
  return overflow;
}

Expired read_expired(const Setting& setting, const EndpointSettings& endpoint, FaultList& faults) {
  const std::vector<std::string> ways = {"drop", "dead_letter"};
  if (!check_type(setting, Setting::Type::text, "\"drop\" or \"dead_letter\"", faults)) return endpoint.expired;
  const auto found = std::ranges::find(ways, setting.text);
  if (found == ways.end()) {
    faults.unknown_name(setting.position, "expired must be \"drop\" or \"dead_letter\", not " + in_quotes(setting.text),
                        setting.text, ways);
    return endpoint.expired;
  }
  const auto expired = static_cast<Expired>(found - ways.begin());
  if (endpoint.dead_letters && expired != Expired::drop) {
    faults.fault(setting.position, "dead letters that expire are dropped");
  }
  return expired;
}

// One of [endpoint_defaults] and [endpoints.NAME].
void read_endpoint_table(const Setting& table, std::string_view section, const Settings& settings,
                         EndpointSettings& endpoint, FaultList& faults) {
  if (!check_type(table, Setting::Type::table, "a table", faults)) return;
  report_unknown_keys(table, section, endpoint_keys(), faults);
  const Setting* max_bytes = nullptr;  // where one is given that is in its range
  for (const auto& number : endpoint_numbers) {
    const Setting* setting = table.find(number.key);
    if (setting == nullptr) continue;
    const auto value = read_number(*setting, number.least, number.most, faults);
    if (!value) continue;
    endpoint.*number.field = *value;
    if (number.key == "max_bytes") max_bytes = setting;
  }
  if (max_bytes != nullptr && endpoint.max_bytes < settings.max_message_bytes) {
    faults.fault(max_bytes->position, "max_bytes (" + std::to_string(endpoint.max_bytes) +
                                          ") must not be below max_message_bytes (" +
                                          std::to_string(settings.max_message_bytes) + ")");
  }
  if (const Setting* max_deliveries = table.find("max_deliveries")) {
    if (auto value = read_number(*max_deliveries, 1, max_deliveries_most, faults)) {
      endpoint.max_deliveries = static_cast<uint32_t>(*value);
    }
  }
  if (const Setting* overflow = table.find("overflow")) endpoint.overflow = read_overflow(*overflow, endpoint, faults);
  if (const Setting* expired = table.find("expired")) endpoint.expired = read_expired(*expired, endpoint, faults);
}

}  // namespace

uint64_t read_broker(const Setting* section, Configuration& configuration, FaultList& faults) {
  uint64_t max_users = max_users_default;
  if (section != nullptr && check_type(*section, Setting::Type::table, "a table", faults)) {
    report_unknown_keys(*section, "[broker]", broker_keys(), faults);
    for (const auto& number : broker_numbers) {
      const Setting* setting = section->find(number.key);
      if (setting == nullptr) continue;
      configuration.settings.*number.field =
          read_number(*setting, number.least, number.most, faults).value_or(stand_in(number));
    }
    check_batch_holds_a_message(*section, configuration.settings, faults);
    if (const Setting* users = section->find("max_users")) {
      max_users = read_number(*users, 1, 1'000'000'000, faults).value_or(max_users);
    }
    if (const Setting* insecure = section->find("insecure")) {
      // With a fault no broker starts, so what would follow from it need not be told.
      configuration.insecure = read_boolean(*insecure, faults).value_or(true);
    }
    read_threads(*section, configuration, faults);
    read_endpoints(*section, configuration, faults);
  }
  if (configuration.endpoints.empty()) configuration.endpoints.emplace_back(default_endpoint);
  return max_users;
}

void read_endpoint_settings(const Setting& file, Settings& settings, FaultList& faults) {
  if (const Setting* defaults = file.find("endpoint_defaults")) {
    EndpointSettings common;
    read_endpoint_table(*defaults, "[endpoint_defaults]", settings, common, faults);
    for (EndpointSettings& endpoint : settings.endpoints) {
      if (endpoint.removed) continue;
      endpoint.max_bytes = common.max_bytes;
      endpoint.max_messages = common.max_messages;
      endpoint.overflow = endpoint.dead_letters ? Overflow::drop_oldest : common.overflow;
      endpoint.block_ms = common.block_ms;
      endpoint.max_deliveries = common.max_deliveries;
      endpoint.redeliver_ms = common.redeliver_ms;
      // Dead letters wait for somebody to come and read them: that takes its time unless their own table says
      // otherwise.
      if (endpoint.dead_letters) continue;
      endpoint.message_ttl_ms = common.message_ttl_ms;
      endpoint.expired = common.expired;
      endpoint.ack_timeout_ms = common.ack_timeout_ms;
    }
  }
  const Setting* single = file.find("endpoints");
  if (single == nullptr || !check_type(*single, Setting::Type::table, "a table of endpoints' names", faults)) return;
  std::unordered_map<std::string_view, EndpointSettings*> by_name;
  std::vector<std::string> names;
  for (EndpointSettings& endpoint : settings.endpoints) {
    if (endpoint.removed) continue;
    if (by_name.emplace(endpoint.name, &endpoint).second) names.push_back(endpoint.name);
  }
  for (const Setting& table : single->items) {
    const auto found = by_name.find(table.key);
    EndpointSettings nobody;
    if (found != by_name.end() && found->second->joint) {
      faults.fault(table.key_position,
                   in_quotes(table.key) + " joins two dispatchers: it has no queue, and so nothing to set");
    } else if (found == by_name.end()) {
      faults.unknown_name(table.key_position, in_quotes(table.key) + " is no endpoint of this file", table.key, names);
    }
    read_endpoint_table(table, "[endpoints." + table.key + "]", settings,
                        found == by_name.end() ? nobody : *found->second, faults);
  }
}

const std::vector<std::string>& broker_keys() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> all = {"endpoint",   "endpoints", "max_users", "insecure", "secret_key_file",
                                    "secret_key", "lanes",     "lane_cpus", "idle",     "plugins"};
    for (const auto& number : broker_numbers) all.emplace_back(number.key);
    return all;
  }();
  return keys;
}

const std::vector<std::string>& endpoint_keys() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> all = {"overflow", "max_deliveries", "expired"};
    for (const auto& number : endpoint_numbers) all.emplace_back(number.key);
    return all;
  }();
  return keys;
}

}  // namespace signalbox
