#include "tests/simulation/scenario.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "routers/registry.hpp"
#include "tests/simulation/message.hpp"

namespace signalbox::simulation {
namespace {

Setting text_setting(std::string key, std::string text) {
  Setting setting;
  setting.type = Setting::Type::text;
  setting.key = std::move(key);
  setting.text = std::move(text);
  return setting;
}

Setting list_setting(std::string key, const std::vector<std::string>& texts) {
  Setting setting;
  setting.type = Setting::Type::array;
  setting.key = std::move(key);
  for (const std::string& text : texts) setting.items.push_back(text_setting("", text));
  return setting;
}

// What the configuration hands a router, without a file.
class Setup final : public RouterSetup {
 public:
  Setup(const Scenario& scenario, std::vector<Setting> settings) : scenario_(scenario), settings_(std::move(settings)) {
    for (size_t id = 0; id < scenario.endpoint_count(); ++id) {
      const EndpointSettings& endpoint = scenario.endpoint(static_cast<EndpointId>(id));
      if (endpoint.dead_letters) continue;
      (endpoint.role == Role::transport ? transports_ : applications_).push_back(endpoint.name);
    }
    settings_.push_back(list_setting("transport_names", transports_));
    settings_.push_back(list_setting("exposed_names", applications_));
  }

  const std::vector<std::string>& transports() const override { return transports_; }
  const std::vector<std::string>& applications() const override { return applications_; }
  std::optional<EndpointId> transport(std::string_view name) const override { return id_of(name, Role::transport); }
  std::optional<EndpointId> application(std::string_view name) const override { return id_of(name, Role::application); }
  std::string_view name_of(EndpointId endpoint) const override { return scenario_.endpoint(endpoint).name; }
  bool has_relays() const override { return scenario_.has_relays(); }
  bool reply_tracking() const override { return scenario_.reply_tracking(); }
  uint64_t expire_routing_memory_s() const override { return limits::expire_routing_memory_s; }
  uint64_t max_users() const override { return 1000; }
  StateStore& state() override { return *state_; }
  Position place() const override { return {}; }

  const Setting* find(std::string_view key) override {
    for (const Setting& setting : settings_)
      if (setting.key == key) return &setting;
    return nullptr;
  }
  const Setting* require(std::string_view key) override {
    const Setting* found = find(key);
    if (found == nullptr) fault({}, "missing: " + std::string(key));
    return found;
  }
  void fault(Position, std::string text) override {
    std::fprintf(stderr, "the scenario's router has a fault: %s\n", text.c_str());
    std::abort();
  }
  void unknown_name(Position where, std::string text, std::string_view name, const std::vector<std::string>&) override {
    fault(where, text + " " + std::string(name));
  }
  void warn(Position, std::string) override {}

 private:
  std::optional<EndpointId> id_of(std::string_view name, Role role) const {
    for (size_t id = 0; id < scenario_.endpoint_count(); ++id) {
      const EndpointSettings& endpoint = scenario_.endpoint(static_cast<EndpointId>(id));
      if (endpoint.name == name && endpoint.role == role && !endpoint.dead_letters) return static_cast<EndpointId>(id);
    }
    return std::nullopt;
  }

  const Scenario& scenario_;
  std::unique_ptr<StateStore> state_ = memory_state_store();
  std::vector<Setting> settings_;
  std::vector<std::string> transports_;
  std::vector<std::string> applications_;
};

}  // namespace

Scenario::Scenario(Random& random) {
  heartbeat_ms = random.between(300, 5000);
  max_message_bytes = random.between(400, 700);
  max_batch_bytes = max_message_bytes + random.between(400, 4000);  // room for a message that is too large
  send_window = random.between(3, 64);
  send_window_bytes = random.between(1000, 20000);
  max_prefetch = random.between(4, 64);
  max_unsettled_bytes = random.between(500, 8000);
  session_ttl_s = random.between(2, 60);
  reply_tracking_ = !random.chance(150);

  transport_count_ = random.between(1, 3);
  const size_t application_count = random.between(1, 3);
  for (size_t i = 0; i < transport_count_; ++i)
    endpoints_.push_back(make_endpoint(random, numbered("transport_", i), Role::transport));
  for (size_t i = 0; i < application_count; ++i)
    endpoints_.push_back(make_endpoint(random, numbered("application_", i), Role::application));

  EndpointSettings dead;
  dead.name = "dead_letters";
  dead.dead_letters = true;
  dead.overflow = Overflow::drop_oldest;
  dead.max_messages = random.between(30, 300);  // above what its readers can have under way together
  endpoints_.push_back(dead);

  for (size_t i = 0; i < transport_count_; ++i) {
    if (i > 0 && random.chance(50)) continue;  // a transport that no rule knows
    auto& targets = mapping_[endpoints_[i].name];
    const uint64_t copies = random.chance(400) ? random.between(2, 3) : 1;
    // Each application once: two copies of one message at one endpoint could not be told apart.
    for (uint64_t copy = 0; copy < copies; ++copy) {
      const auto target = static_cast<EndpointId>(transport_count_ + random.below(application_count));
      if (std::find(targets.begin(), targets.end(), target) == targets.end()) targets.push_back(target);
    }
  }
  if (has_relays()) mapping_["foreign"].push_back(static_cast<EndpointId>(transport_count_));
  if (random.chance(300)) aliases_["alias"] = endpoints_[random.below(transport_count_)].name;
  for (char& byte : hash_secret_) byte = static_cast<char>(random.next());
}

EndpointSettings Scenario::make_endpoint(Random& random, const std::string& name, Role role) const {
  EndpointSettings endpoint;
  endpoint.name = name;
  endpoint.role = role;
  endpoint.relay = role == Role::transport && random.chance(150);
  endpoint.overflow = static_cast<Overflow>(random.below(3));
  endpoint.max_messages = random.chance(500) ? random.between(3, 20) : random.between(20, 200);
  endpoint.max_bytes = max_message_bytes + random.between(0, random.chance(500) ? 3000 : 50000);
  endpoint.block_ms = random.between(100, 5000);
  endpoint.max_deliveries = static_cast<uint32_t>(random.between(1, 5));
  endpoint.redeliver_ms = random.between(1, 1000);
  return endpoint;
}

Settings Scenario::settings() const {
  Setting mappings;
  mappings.type = Setting::Type::table;
  mappings.key = "routing_mappings";
  for (const auto& [source, targets] : mapping_) {
    std::vector<std::string> names;
    for (EndpointId target : targets) names.push_back(endpoint(target).name);
    mappings.items.push_back(names.size() == 1 ? text_setting(source, names[0]) : list_setting(source, names));
  }
  std::vector<Setting> given{mappings};
  if (!aliases_.empty()) {
    Setting table;
    table.type = Setting::Type::table;
    table.key = "transport_mappings";
    for (const auto& [name, target] : aliases_) table.items.push_back(text_setting(name, target));
    given.push_back(table);
  }
  Setup setup(*this, std::move(given));

  Settings settings;
  settings.product = product;
  settings.endpoints = endpoints_;
  DispatcherSettings& dispatcher = settings.dispatchers.emplace_back();
  dispatcher.name = "simulated";
  dispatcher.router = RouterRegistry().find("SimpleDispatchRouter")->make(setup);
  dispatcher.dead_letters = dead_letters();
  dispatcher.reply_tracking = reply_tracking_;
  settings.heartbeat_ms = heartbeat_ms;
  settings.max_message_bytes = max_message_bytes;
  settings.max_batch_bytes = max_batch_bytes;
  settings.send_window = send_window;
  settings.send_window_bytes = send_window_bytes;
  settings.max_prefetch = max_prefetch;
  settings.max_unsettled_bytes = max_unsettled_bytes;
  settings.session_ttl_s = session_ttl_s;
  settings.routing_memory_bytes = limits::mebibyte;  // far more than a run fills, so that nothing is pushed out
  settings.hash_secret = hash_secret_;
  return settings;
}

bool Scenario::has_relays() const {
  return std::any_of(endpoints_.begin(), endpoints_.end(), [](const auto& endpoint) { return endpoint.relay; });
}

std::vector<EndpointId> Scenario::inbound(const std::string& transport_name) const {
  const auto found = mapping_.find(transport_name);
  return found == mapping_.end() ? std::vector<EndpointId>() : found->second;
}

std::optional<EndpointId> Scenario::outbound(const std::string& transport_name) const {
  const auto alias = aliases_.find(transport_name);
  return transport(alias == aliases_.end() ? transport_name : alias->second);
}

std::optional<EndpointId> Scenario::transport(const std::string& name) const {
  for (size_t i = 0; i < transport_count_; ++i)
    if (endpoints_[i].name == name) return static_cast<EndpointId>(i);
  return std::nullopt;
}

}  // namespace signalbox::simulation
