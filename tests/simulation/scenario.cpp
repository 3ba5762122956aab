#include "tests/simulation/scenario.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "routers/middleware_registry.hpp"
#include "routers/registry.hpp"
#include "tests/simulation/invented_settings.hpp"
#include "tests/simulation/message.hpp"

namespace signalbox::simulation {
namespace {

// What the configuration hands the router of one dispatcher, without a file.
class Setup final : public RouterSetup {
 public:
  Setup(const Scenario& scenario, uint32_t dispatcher, std::vector<Setting> settings, StateStore& state)
      : scenario_(scenario),
        dispatcher_(dispatcher),
        name_("dispatcher" + std::to_string(dispatcher + 1)),
        state_(state),
        settings_(std::move(settings)) {
    for (size_t id = 0; id < scenario.endpoint_count(); ++id) {
      const EndpointSettings& endpoint = scenario.endpoint(static_cast<EndpointId>(id));
      if (endpoint.dead_letters || endpoint.removed || endpoint.dispatcher != dispatcher) continue;
      (endpoint.role == Role::transport ? transports_ : applications_).push_back(endpoint.name);
    }
    settings_.push_back(list_setting("transport_names", transports_));
    settings_.push_back(list_setting("exposed_names", applications_));
  }

  std::string_view dispatcher_name() const override { return name_; }
  const std::vector<std::string>& transports() const override { return transports_; }
  const std::vector<std::string>& applications() const override { return applications_; }
  std::optional<EndpointId> transport(std::string_view name) const override { return id_of(name, Role::transport); }
  std::optional<EndpointId> application(std::string_view name) const override { return id_of(name, Role::application); }
  std::string_view name_of(EndpointId endpoint) const override { return scenario_.endpoint(endpoint).name; }
  bool has_relays() const override { return scenario_.has_relays(dispatcher_); }
  bool reply_tracking() const override { return scenario_.reply_tracking(dispatcher_); }
  uint64_t expire_routing_memory_s() const override { return limits::expire_routing_memory_s; }
  uint64_t max_users() const override { return 1000; }
  StateStore& state() override { return state_; }
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
      if (endpoint.dead_letters || endpoint.removed || endpoint.dispatcher != dispatcher_) continue;
      if (endpoint.name == name && endpoint.role == role) return static_cast<EndpointId>(id);
    }
    return std::nullopt;
  }

  const Scenario& scenario_;
  const uint32_t dispatcher_;
  const std::string name_;
  StateStore& state_;
  std::vector<Setting> settings_;
  std::vector<std::string> transports_;
  std::vector<std::string> applications_;
};

// The same for a piece of middleware.
class PieceSetup final : public MiddlewareSetup {
 public:
  PieceSetup(std::vector<Setting> options, StateStore& state) : state_(state), options_(std::move(options)) {}

  std::string_view name() const override { return "piece"; }
  std::string_view dispatcher_name() const override { return "simulated"; }
  uint64_t max_users() const override { return 1000; }
  StateStore& state() override { return state_; }
  Position place() const override { return {}; }
  const Setting* find(std::string_view key) override {
    for (const Setting& option : options_)
      if (option.key == key) return &option;
    return nullptr;
  }
  const Setting* require(std::string_view key) override {
    const Setting* found = find(key);
    if (found == nullptr) fault({}, "missing: " + std::string(key));
    return found;
  }
  void fault(Position, std::string text) override {
    std::fprintf(stderr, "the scenario's middleware has a fault: %s\n", text.c_str());
    std::abort();
  }
  void unknown_name(Position where, std::string text, std::string_view, const std::vector<std::string>&) override {
    fault(where, std::move(text));
  }
  void warn(Position, std::string) override {}

 private:
  StateStore& state_;
  std::vector<Setting> options_;
};

}  // namespace

Scenario::Scenario(Random& random, Installation installation) {
  heartbeat_ms = random.between(300, 5000);
  max_message_bytes = random.between(400, 700);
  max_batch_bytes = max_message_bytes + random.between(400, 4000);  // room for a message that is too large
  send_window = random.between(3, 64);
  send_window_bytes = random.between(1000, 20000);
  max_prefetch = random.between(4, 64);
  max_unsettled_bytes = random.between(500, 8000);
  session_ttl_s = random.between(2, 60);
  if (installation == Installation::one_dispatcher) {
    make_one_dispatcher(random);
  } else if (installation == Installation::several_dispatchers) {
    make_several_dispatchers(random);
  } else if (installation == Installation::changing || installation == Installation::all_routers) {
    all_routers_ = installation == Installation::all_routers;
    make_changing(random);
  } else {
    make_everything(random);
  }
  for (char& byte : hash_secret_) byte = static_cast<char>(random.next());
}

void Scenario::make_one_dispatcher(Random& random) {
  dispatchers_.emplace_back().reply_tracking = !random.chance(150);
  transport_count_ = random.between(1, 3);
  const size_t application_count = random.between(1, 3);
  for (size_t i = 0; i < transport_count_; ++i)
    endpoints_.push_back(make_endpoint(random, numbered("transport_", i), Role::transport));
  for (size_t i = 0; i < application_count; ++i)
    endpoints_.push_back(make_endpoint(random, numbered("application_", i), Role::application));
  add_dead_letters(random);

  const std::vector<EndpointId> applications = endpoints_of(0, Role::application);
  for (size_t i = 0; i < transport_count_; ++i) {
    if (i > 0 && random.chance(50)) continue;  // a transport that no rule knows
    map_transport(random, endpoints_[i], applications);
  }
  if (has_relays(0)) dispatchers_[0].mapping["foreign"].push_back(static_cast<EndpointId>(transport_count_));
  if (random.chance(300)) dispatchers_[0].aliases["alias"] = endpoints_[random.below(transport_count_)].name;
}

// No way forks and comes together again, so that an endpoint gets one copy of a message at most.
void Scenario::make_several_dispatchers(Random& random) {
  const auto count = static_cast<uint32_t>(random.between(2, 3));
  dispatchers_.resize(count);
  std::vector<EndpointSettings> applications;
  for (uint32_t dispatcher = 0; dispatcher < count; ++dispatcher) {
    dispatchers_[dispatcher].reply_tracking = !random.chance(150);
    for (uint64_t left = random.between(1, 2); left > 0; --left) {
      endpoints_.push_back(make_endpoint(random, numbered("transport_", endpoints_.size()), Role::transport));
      endpoints_.back().dispatcher = dispatcher;
    }
    for (uint64_t left = random.between(1, 2); left > 0; --left) {
      applications.push_back(make_endpoint(random, numbered("application_", applications.size()), Role::application));
      applications.back().dispatcher = dispatcher;
    }
  }
  transport_count_ = endpoints_.size();
  endpoints_.insert(endpoints_.end(), applications.begin(), applications.end());

  const bool first_two = random.chance(700);
  if (first_two) join(0, 1);
  if (count == 3) {
    const uint64_t parent = random.below(4);  // 2: neither; 3: both, where they are apart from one another
    if (parent == 0 || (parent == 3 && !first_two)) join(0, 2);
    if (parent == 1 || (parent == 3 && !first_two)) join(1, 2);
  }
  add_dead_letters(random);

  for (uint32_t dispatcher = 0; dispatcher < count; ++dispatcher) map_simply(random, dispatcher);
}

void Scenario::map_simply(Random& random, uint32_t dispatcher) {
  const std::vector<EndpointId> targets = endpoints_of(dispatcher, Role::application);
  const std::vector<EndpointId> transports = endpoints_of(dispatcher, Role::transport);
  for (const EndpointId id : transports) {
    if (id != transports.front() && random.chance(50)) continue;
    map_transport(random, endpoints_[id], targets);
  }
  if (has_relays(dispatcher)) dispatchers_[dispatcher].mapping["foreign"].push_back(targets.back());
  if (random.chance(300))
    dispatchers_[dispatcher].aliases["alias"] = endpoints_[transports[random.below(transports.size())]].name;
}

void Scenario::join(uint32_t near, uint32_t far) {
  EndpointSettings exposed;
  exposed.name = numbered("joint_", endpoints_.size());
  exposed.role = Role::application;
  exposed.dispatcher = near;
  EndpointSettings transport_side = exposed;
  transport_side.role = Role::transport;
  transport_side.dispatcher = far;
  const auto first = static_cast<EndpointId>(endpoints_.size());
  exposed.joint = first + 1;
  transport_side.joint = first;
  endpoints_.push_back(exposed);
  endpoints_.push_back(transport_side);
}

void Scenario::map_transport(Random& random, const EndpointSettings& transport,
                             const std::vector<EndpointId>& applications) {
  auto& targets = dispatchers_[transport.dispatcher].mapping[transport.name];
  const uint64_t copies = random.chance(400) ? random.between(2, 3) : 1;
  // Each application once: two copies of one message at one endpoint could not be told apart.
  for (uint64_t copy = 0; copy < copies; ++copy) {
    const EndpointId target = applications[random.below(applications.size())];
    if (std::find(targets.begin(), targets.end(), target) == targets.end()) targets.push_back(target);
  }
}

void Scenario::add_dead_letters(Random& random) {
  EndpointSettings dead;
  dead.name = "dead_letters";
  dead.dead_letters = true;
  dead.overflow = Overflow::drop_oldest;
  dead.max_messages = random.between(30, 300);  // above what its readers can have under way together
  dead_letters_ = static_cast<EndpointId>(endpoints_.size());
  endpoints_.push_back(dead);
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

std::vector<Setting> Scenario::router_settings(uint32_t dispatcher) const {
  if (!dispatchers_[dispatcher].given.empty()) return dispatchers_[dispatcher].given;
  Setting mappings = table_setting("routing_mappings");
  for (const auto& [source, targets] : dispatchers_[dispatcher].mapping) {
    std::vector<std::string> names;
    for (EndpointId target : targets) names.push_back(endpoint(target).name);
    mappings.items.push_back(names.size() == 1 ? text_setting(source, names[0]) : list_setting(source, names));
  }
  std::vector<Setting> given{mappings};
  if (!dispatchers_[dispatcher].aliases.empty()) {
    Setting table = table_setting("transport_mappings");
    for (const auto& [name, target] : dispatchers_[dispatcher].aliases)
      table.items.push_back(text_setting(name, target));
    given.push_back(table);
  }
  return given;
}

std::unique_ptr<Router> Scenario::router(uint32_t dispatcher, StateStore& state) const {
  std::vector<Setting> given = router_settings(dispatcher);
  given.push_back(text_setting("dispatcher_name", numbered("simulated_", dispatcher)));
  Setup setup(*this, dispatcher, std::move(given), state);
  return RouterRegistry().find(dispatchers_[dispatcher].router_class)->make(setup);
}

void Scenario::add_middleware(DispatcherSettings& settings, uint32_t dispatcher, StateStore& state) const {
  const std::string& provider = dispatchers_[dispatcher].provider;
  if (provider.empty()) return;
  PieceSetup setup({text_setting("provider", provider)}, state);
  settings.middleware.push_back(
      {"provider", MiddlewareRegistry().find("StaticProviderSettingMiddleware")->make(setup)});
  settings.entering = settings.leaving = {0};
}

Settings Scenario::settings() const {
  Settings settings;
  settings.product = product;
  settings.endpoints = endpoints_;
  for (uint32_t id = 0; id < dispatchers_.size(); ++id) {
    DispatcherSettings& dispatcher = settings.dispatchers.emplace_back();
    dispatcher.name = numbered("simulated_", id);
    dispatcher.router = router(id, *settings.state);
    add_middleware(dispatcher, id, *settings.state);
    dispatcher.dead_letters = dead_letters();
    dispatcher.reply_tracking = dispatchers_[id].reply_tracking;
  }
  settings.heartbeat_ms = heartbeat_ms;
  settings.max_message_bytes = max_message_bytes;
  settings.max_batch_bytes = max_batch_bytes;
  settings.send_window = send_window;
  settings.send_window_bytes = send_window_bytes;
  settings.max_prefetch = max_prefetch;
  settings.max_unsettled_bytes = max_unsettled_bytes;
  settings.session_ttl_s = session_ttl_s;
  settings.removed_endpoint_ms = removed_endpoint_ms;
  settings.keys_required = keys_required_;
  settings.peers = peers();
  settings.routing_memory_bytes = limits::mebibyte;  // far more than a run fills, so that nothing is pushed out
  settings.hash_secret = hash_secret_;
  return settings;
}

std::vector<EndpointId> Scenario::endpoints_of(uint32_t dispatcher, Role role) const {
  std::vector<EndpointId> found;
  for (EndpointId id = 0; id < endpoints_.size(); ++id) {
    const EndpointSettings& endpoint = endpoints_[id];
    if (endpoint.dispatcher == dispatcher && endpoint.role == role && !endpoint.dead_letters && !endpoint.removed)
      found.push_back(id);
  }
  return found;
}

bool Scenario::has_relays(uint32_t dispatcher) const {
  return std::any_of(endpoints_.begin(), endpoints_.end(), [dispatcher](const auto& endpoint) {
    return endpoint.relay && !endpoint.removed && endpoint.dispatcher == dispatcher;
  });
}

std::vector<EndpointId> Scenario::inbound(uint32_t dispatcher, const std::string& transport_name) const {
  const auto found = dispatchers_[dispatcher].mapping.find(transport_name);
  return found == dispatchers_[dispatcher].mapping.end() ? std::vector<EndpointId>() : found->second;
}

std::optional<EndpointId> Scenario::outbound(uint32_t dispatcher, const std::string& transport_name) const {
  const auto& aliases = dispatchers_[dispatcher].aliases;
  const auto alias = aliases.find(transport_name);
  if (alias != aliases.end()) return transport(dispatcher, alias->second);
  if (const auto own = transport(dispatcher, transport_name)) return own;
  return joint_towards(dispatcher, transport_name);
}

std::optional<EndpointId> Scenario::transport(uint32_t dispatcher, const std::string& name) const {
  for (const EndpointId id : endpoints_of(dispatcher, Role::transport))
    if (endpoints_[id].name == name) return id;
  return std::nullopt;
}

// The first joint behind which, however far, there is a transport of that name.
std::optional<EndpointId> Scenario::joint_towards(uint32_t dispatcher, const std::string& name) const {
  for (const EndpointId id : endpoints_of(dispatcher, Role::transport)) {
    if (!endpoints_[id].joint) continue;
    const uint32_t behind = endpoints_[*endpoints_[id].joint].dispatcher;
    if (transport(behind, name) || joint_towards(behind, name)) return id;
  }
  return std::nullopt;
}

}  // namespace signalbox::simulation
