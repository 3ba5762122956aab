// The order in which a file is read: [broker] first, since endpoints are checked against its limits; then every
// dispatcher's names; then [endpoints.NAME], which speaks of those; then the routers, which may ask for any of it.
#include "broker/configuration.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <unordered_set>

#include "broker/configuration_again.hpp"
#include "broker/configuration_broker.hpp"
#include "broker/configuration_dispatcher.hpp"
#include "broker/configuration_peers.hpp"
#include "broker/configuration_toml.hpp"
#include "broker/configuration_values.hpp"
#include "broker/core/lane_board.hpp"
#include "broker/plugins.hpp"
#include "protocol/text.hpp"

namespace signalbox {

namespace {

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

// A file with [[dispatcher]] tables has nothing of a dispatcher at its top.
void report_stray_keys_at_the_top(const Setting& file, const RouterRegistry& registry, FaultList& faults) {
  for (const Setting& item : file.items) {
    if (contains(DispatcherReader::file_keys(), item.key)) continue;
    if (contains(DispatcherReader::vumi_keys(), item.key)) {
      faults.warn(item.key_position, item.key + " means something to vumi alone and is not read here");
    } else if (contains(DispatcherReader::common_keys(), item.key) || !registry.readers_of(item.key).empty()) {
      faults.fault(item.key_position,
                   item.key + " belongs in a dispatcher: in a file with [[dispatcher]] tables, into one of those");
    } else if (contains(broker_keys(), item.key)) {
      faults.fault(item.key_position, "unknown key " + in_quotes(item.key) + ": it belongs in [broker]");
    } else {
      faults.unknown_name(item.key_position, "unknown key " + in_quotes(item.key), item.key,
                          DispatcherReader::file_keys());
    }
  }
}

// The dispatchers' tables: those under [[dispatcher]], or the file itself.
std::vector<DispatcherReader> list_dispatchers(const Setting& file, const RouterRegistry& registry, FaultList& faults) {
  std::vector<DispatcherReader> readers;
  const Setting* several = file.find("dispatcher");
  if (several == nullptr) {
    readers.emplace_back(file, true, 0, registry, faults);
    return readers;
  }
  report_stray_keys_at_the_top(file, registry, faults);
  if (several->type == Setting::Type::table) {
    faults.fault(several->position, "a dispatcher's table has two brackets: [[dispatcher]]");
  } else if (check_type(*several, Setting::Type::array, "one or more [[dispatcher]] tables", faults)) {
    if (several->items.empty()) faults.fault(several->position, "there is no dispatcher");
    readers.reserve(several->items.size());
    for (const Setting& table : several->items) {
      if (!check_type(table, Setting::Type::table, "a table", faults)) continue;
      readers.emplace_back(table, false, static_cast<uint32_t>(readers.size()), registry, faults);
    }
  }
  return readers;
}

void check_dispatcher_names(const std::vector<DispatcherReader>& dispatchers, FaultList& faults) {
  std::unordered_set<std::string> names;
  for (const DispatcherReader& dispatcher : dispatchers) {
    if (names.insert(dispatcher.name()).second) continue;
    faults.fault(dispatcher.name_position(), "there are two dispatchers with the name " + in_quotes(dispatcher.name()));
  }
}

// A step in which a router's own code runs. What that throws is a fault of whoever brought the router.
template <typename Step>
void run_router_code(const DispatcherReader& dispatcher, const Plugins& plugins, FaultList& faults, Step step) {
  std::string text;
  try {
    return step();
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& exception) {
    text = exception.what();
  } catch (...) {
    text = "something that is no std::exception";
  }
  const std::string name = dispatcher.router_class()->name;  // without one there is no code to throw
  faults.fault(plugins.place_of(name).value_or(dispatcher.place()),
               name + " cannot be made for " + in_quotes(dispatcher.name()) + ", it throws: " + printable(text));
}

void read_dispatchers(const Setting& file, const RouterRegistry& registry, const Plugins& plugins, uint64_t max_users,
                      const Running* before, Settings& settings, FaultList& faults) {
  std::vector<DispatcherReader> dispatchers = list_dispatchers(file, registry, faults);
  check_dispatcher_names(dispatchers, faults);
  EndpointsByName endpoints;
  std::vector<ListedJoint> joints;
  for (DispatcherReader& dispatcher : dispatchers) {
    run_router_code(dispatcher, plugins, faults, [&] { dispatcher.read_endpoints(settings, endpoints, joints); });
  }
  std::vector<std::string> dispatcher_names;
  for (const DispatcherReader& dispatcher : dispatchers) dispatcher_names.push_back(dispatcher.name());
  check_chains(settings, dispatcher_names, joints, faults);

  const auto shared = static_cast<EndpointId>(settings.endpoints.size());
  endpoints.emplace("dead_letters", shared);
  settings.endpoints.push_back({.name = "dead_letters",
                                .role = Role::application,
                                .dispatcher = 0,
                                .dead_letters = true,
                                .overflow = Overflow::drop_oldest});
  for (DispatcherReader& dispatcher : dispatchers) dispatcher.read_dead_letters(settings, endpoints, shared);
  Numbers numbers;
  if (before != nullptr) {
    numbers = keep_numbers(*before, dispatcher_names, settings, faults);
    for (DispatcherReader& dispatcher : dispatchers) dispatcher.renumber(numbers);
  }
  read_endpoint_settings(file, settings, faults);
  for (DispatcherReader& dispatcher : dispatchers) {
    run_router_code(dispatcher, plugins, faults,
                    [&] { settings.dispatchers.push_back(dispatcher.finish(settings, max_users)); });
  }
  if (before != nullptr && settings.dispatchers.size() == dispatchers.size()) {  // else there are faults
    settings.dispatchers = by_number(*before, numbers, std::move(settings.dispatchers), numbers.endpoints[shared]);
  }
}

// Every lane but the first has routers and middleware of its own, made as the first lane's were.
void make_further_lanes(const Setting& file, const RouterRegistry& registry, const Plugins& plugins,
                        const Running* before, Configuration& configuration, FaultList& faults) {
  const uint32_t lanes = configuration.settings.lanes;
  for (uint32_t lane = 1; lane < lanes && faults.empty(); ++lane) {
    Configuration again;
    FaultList new_faults;  // what was said of the first lane need not be said again
    again.settings.product = configuration.settings.product;
    const uint64_t max_users = read_broker(file.find("broker"), again, new_faults);
    read_dispatchers(file, registry, plugins, max_users, before, again.settings, new_faults);
    again.settings.peers = configuration.settings.peers;
    again.settings.keys_required = configuration.settings.keys_required;
    for (Fault& fault : new_faults.take_faults()) faults.fault(fault.where, std::move(fault.text));
    configuration.further_lanes.push_back(std::move(again.settings));
  }
  if (lanes == 0 || !faults.empty()) return;
  auto placed =
      place_endpoints(configuration.settings, lanes, before != nullptr ? before->lane_of : std::vector<uint32_t>());
  if (placed) {
    configuration.lane_of = std::move(*placed);
  } else {
    faults.fault({},
                 "with this change, endpoints that are on several lanes would have to be on one, since their router "
                 "or middleware keeps state: restart the broker for this configuration");
  }
}

ConfigurationResult one_fault(Fault fault) {
  ConfigurationResult result;
  result.faults.push_back(std::move(fault));
  return result;
}

// A tree that was built in code has no lines; each setting gets the number of its place in `paths` for one, so that
// faults come in the order of the tree, and what they are about can be named afterwards. Line 1 is the whole, as in a
// file.
void number_settings(Setting& setting, const std::string& path, std::vector<std::string>& paths, FaultList& faults) {
  std::unordered_set<std::string> keys;
  for (size_t i = 0; i < setting.items.size(); ++i) {
    Setting& item = setting.items[i];
    const bool is_entry = setting.type == Setting::Type::table;
    std::string item_path = path;
    if (!is_entry) item_path.append("[").append(std::to_string(i)).append("]");
    if (is_entry && !path.empty()) item_path.append(".");
    if (is_entry) item_path.append(printable(item.key));
    paths.push_back(item_path);
    item.position = item.key_position = {.line = static_cast<uint32_t>(paths.size()), .column = 1};
    if (is_entry && !keys.insert(item.key).second) faults.fault(item.key_position, "this key is given twice");
    number_settings(item, item_path, paths, faults);
  }
}

void name_places(std::vector<Fault>& faults, const std::vector<std::string>& paths) {
  for (Fault& fault : faults) {
    const std::string& path = paths[fault.where.line - 1];
    if (!path.empty()) fault.text = path + ": " + fault.text;
    fault.where = {.line = 0, .column = 0};
  }
}

// Paths in it begin in `folder`.
ConfigurationResult read_settings(const Setting& file, const RouterRegistry& known_routers, const std::string& folder,
                                  const Running* before, FaultList faults) {
  auto configuration = std::make_unique<Configuration>();
  configuration->settings.product = "signalbox/" SIGNALBOX_VERSION;
  read_secret_key(file.find("broker"), folder, *configuration, faults);
  const uint64_t max_users = read_broker(file.find("broker"), *configuration, faults);
  RouterRegistry registry = known_routers;
  Plugins plugins;
  const Setting* broker = file.find("broker");
  const Setting* libraries = broker != nullptr ? broker->find("plugins") : nullptr;
  if (libraries != nullptr) plugins.load(*libraries, folder, registry, faults);
  configuration->plugins = plugins.paths();
  read_dispatchers(file, registry, plugins, max_users, before, configuration->settings, faults);
  read_peers(file, *configuration, faults);
  configuration->file = file;
  if (before != nullptr) check_fixed_values(*before, *configuration, faults);
  make_further_lanes(file, registry, plugins, before, *configuration, faults);

  ConfigurationResult result;
  result.faults = faults.take_faults();
  result.warnings = faults.take_warnings();
  if (result.faults.empty()) {
    configuration->warnings = result.warnings;
    result.configuration = std::move(configuration);
  }
  return result;
}

}  // namespace

ConfigurationResult read_configuration(std::string_view toml, const RouterRegistry& registry, const std::string& folder,
                                       const Running* before) {
  auto parsed = parse_toml(toml);
  if (Fault* fault = std::get_if<Fault>(&parsed)) return one_fault(std::move(*fault));
  return read_settings(std::get<Setting>(parsed), registry, folder, before, {});
}

ConfigurationResult read_configuration(const Setting& table, const RouterRegistry& registry, const Running* before) {
  if (table.type != Setting::Type::table) return one_fault({{.line = 0, .column = 0}, "the whole must be a table"});
  Setting numbered = table;
  numbered.position = numbered.key_position = {};
  FaultList faults;
  std::vector<std::string> paths = {""};
  number_settings(numbered, "", paths, faults);
  ConfigurationResult result = read_settings(numbered, registry, "", before, std::move(faults));
  name_places(result.faults, paths);
  name_places(result.warnings, paths);
  if (result.configuration != nullptr) result.configuration->warnings = result.warnings;
  return result;
}

ConfigurationResult read_configuration_file(const std::string& path, const RouterRegistry& registry,
                                            const Running* before) {
  std::error_code error;
  std::ifstream stream(path, std::ios::binary);
  if (!stream || std::filesystem::is_directory(path, error)) return one_fault({{}, "the file cannot be read"});
  std::string text(std::istreambuf_iterator<char>(stream), {});
  if (stream.bad()) return one_fault({{}, "the file cannot be read"});
  return read_configuration(text, registry, std::filesystem::path(path).parent_path().string(), before);
}

Configuration accepted(ConfigurationResult result, std::string_view file) {
  if (result.configuration != nullptr) return std::move(*result.configuration);
  std::string lines;
  for (const Fault& fault : result.faults) {
    if (!lines.empty()) lines.append("\n");
    lines.append(to_line(file, fault));
  }
  throw ConfigurationError(lines);
}

std::string to_line(std::string_view file, const Fault& fault, bool warning) {
  std::string line(file);
  if (fault.where.line > 0) {
    line.append(":").append(std::to_string(fault.where.line));
    line.append(":").append(std::to_string(fault.where.column));
  }
  return line + (warning ? ": warning: " : ": error: ") + fault.text;
}

}  // namespace signalbox
