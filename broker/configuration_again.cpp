#include "broker/configuration_again.hpp"

#include <initializer_list>
#include <map>
#include <memory>
#include <string_view>
#include <tuple>

#include "protocol/limits.hpp"

namespace signalbox {

namespace {

// Stands where a dispatcher was: workers that finish there may still send.
class ClosedRouter final : public Router {
 public:
  void inbound(const Incoming&, Decision& decision) override { refuse(decision); }
  void event(const Incoming&, Decision& decision) override { refuse(decision); }
  void outbound(const Incoming&, Decision& decision) override { refuse(decision); }
  bool keeps_state() const override { return false; }
  std::vector<Route> routes() const override { return {}; }

 private:
  static void refuse(Decision& decision) {
    decision.refuse(RefusalCode::unknown_endpoint, "the configuration does not list this dispatcher any more");
  }
};

using Identity = std::tuple<std::string, Role, bool>;

Identity identity_of(const EndpointSettings& endpoint) {
  return {endpoint.name, endpoint.role, endpoint.joint.has_value()};
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string in_words(const std::string& value) {
  return value.empty() ? "empty" : value;
}

// Each fixed setting as text, so that they can be compared, and shown.
std::vector<std::pair<std::string, std::string>> fixed_values(const Configuration& configuration) {
  const Settings& settings = configuration.settings;
  std::vector<std::string> cpus;
  for (const uint32_t cpu : configuration.lane_cpus) cpus.push_back(std::to_string(cpu));
  constexpr const char* idle_words[] = {"sleep", "yield", "spin"};
  return {{"endpoints", joined(configuration.endpoints)},
          {"plugins", joined(configuration.plugins)},
          {"insecure", configuration.insecure ? "true" : "false"},
          {"lanes", std::to_string(settings.lanes)},
          {"lane_cpus", joined(cpus)},
          {"idle", idle_words[static_cast<size_t>(configuration.idle)]},
          {"heartbeat_ms", std::to_string(settings.heartbeat_ms)},
          {"max_message_bytes", std::to_string(settings.max_message_bytes)},
          {"max_batch_bytes", std::to_string(settings.max_batch_bytes)},
          {"send_window", std::to_string(settings.send_window)},
          {"send_window_bytes", std::to_string(settings.send_window_bytes)},
          {"max_prefetch", std::to_string(settings.max_prefetch)},
          {"routing_memory_bytes", std::to_string(settings.routing_memory_bytes)}};
}

}  // namespace

Running running(const Configuration& configuration) {
  Running now{.endpoints = configuration.settings.endpoints,
              .dispatchers = {},
              .fixed_values = fixed_values(configuration),
              .secret_key = configuration.secret_key,
              .lane_of = configuration.lane_of,
              .file = configuration.file};
  for (const DispatcherSettings& dispatcher : configuration.settings.dispatchers) {
    now.dispatchers.push_back(dispatcher.name);
  }
  return now;
}

Numbers keep_numbers(const Running& before, const std::vector<std::string>& dispatcher_names, Settings& settings,
                     FaultList& faults) {
  Numbers numbers;
  std::map<std::string, uint32_t> dispatchers;
  for (const std::string& name : before.dispatchers) {
    dispatchers.emplace(name, static_cast<uint32_t>(dispatchers.size()));
  }
  numbers.dispatchers_end = static_cast<uint32_t>(before.dispatchers.size());
  for (const std::string& name : dispatcher_names) {
    const auto [place, is_new] = dispatchers.emplace(name, numbers.dispatchers_end);
    if (is_new) ++numbers.dispatchers_end;
    numbers.dispatchers.push_back(place->second);
  }

  std::map<Identity, EndpointId> known;
  std::vector<EndpointSettings> ordered = before.endpoints;
  for (EndpointId id = 0; id < ordered.size(); ++id) {
    known.emplace(identity_of(ordered[id]), id);
    ordered[id].removed = true;
  }
  for (const EndpointSettings& endpoint : settings.endpoints) {
    const auto same = known.find(identity_of(endpoint));
    // A name that is listed twice is a fault already; the second gets a number of its own.
    const bool is_known = same != known.end() && ordered[same->second].removed;
    const EndpointId number = is_known ? same->second : static_cast<EndpointId>(ordered.size());
    if (!is_known) ordered.emplace_back();
    ordered[number] = endpoint;
    numbers.endpoints.push_back(number);
  }
  for (const EndpointId number : numbers.endpoints) {
    EndpointSettings& endpoint = ordered[number];
    endpoint.dispatcher = numbers.dispatchers.empty() ? 0 : numbers.dispatchers[endpoint.dispatcher];
    if (endpoint.joint) endpoint.joint = numbers.endpoints[*endpoint.joint];
  }
  if (ordered.size() > limits::endpoints_max) {
    faults.fault({}, "with those that were removed since the broker started there are more than " +
                         std::to_string(limits::endpoints_max) + " endpoints: restart it for this configuration");
  }
  settings.endpoints = std::move(ordered);
  return numbers;
}

std::vector<DispatcherSettings> by_number(const Running& before, const Numbers& numbers,
                                          std::vector<DispatcherSettings> read, EndpointId dead_letters) {
  std::vector<DispatcherSettings> ordered(numbers.dispatchers_end);
  for (size_t i = 0; i < read.size(); ++i) ordered[numbers.dispatchers[i]] = std::move(read[i]);
  for (size_t number = 0; number < before.dispatchers.size(); ++number) {
    DispatcherSettings& dispatcher = ordered[number];
    if (!dispatcher.name.empty()) continue;
    dispatcher.name = before.dispatchers[number];
    dispatcher.router = std::make_unique<ClosedRouter>();
    dispatcher.dead_letters = dead_letters;
  }
  return ordered;
}

void check_fixed_values(const Running& before, const Configuration& after, FaultList& faults) {
  const auto values = fixed_values(after);
  const Setting* section = after.file.find("broker");
  const auto place_of = [&](std::initializer_list<std::string_view> keys) {
    for (const std::string_view key : keys) {
      const Setting* setting = section != nullptr ? section->find(key) : nullptr;
      if (setting != nullptr) return setting->position;
    }
    return section != nullptr ? section->position : Position{};
  };
  for (size_t i = 0; i < values.size(); ++i) {
    const auto& [key, value] = values[i];
    const std::string& was = before.fixed_values[i].second;
    const Position place = key == "endpoints" ? place_of({"endpoints", "endpoint"}) : place_of({key});
    if (value == was || faults.told_at(place)) continue;  // what is at fault by itself has no value to compare
    faults.fault(place, key + " is " + in_words(was) + " and cannot become " + in_words(value) +
                            " while the broker runs: restart it, or leave the value as it was");
  }
  if (before.secret_key.bytes() != after.secret_key.bytes()) {
    faults.fault(place_of({"secret_key_file", "secret_key"}),
                 "the broker's own key cannot change while it runs: restart it, or leave the key as it was");
  }
}

}  // namespace signalbox
