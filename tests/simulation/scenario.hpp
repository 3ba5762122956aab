// One invented installation: endpoints, limits and real routers, all from the seed. Either one SimpleDispatchRouter, or
// two or three of them, chained or apart; or everything: chains and diamonds of dispatchers with various routers and
// middleware; or some of that, and changes while it runs; or the last with every router that there is.
//
// Limits are tiny beside the defaults, so that a run of a few thousand steps reaches every one of them.
//
// Thread: one. Owns: names and mappings; constant between two changes.
// Tested by simulation_test.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/core/settings.hpp"
#include "tests/simulation/random.hpp"

namespace signalbox::simulation {

enum class Installation : uint8_t { one_dispatcher, several_dispatchers, everything, changing, all_routers };

class Scenario {
 public:
  Scenario(Random& random, Installation installation);

  // What the core is built from: the same each time it is asked, with routers of its own.
  Settings settings() const;

  size_t endpoint_count() const { return endpoints_.size(); }
  const EndpointSettings& endpoint(EndpointId id) const { return endpoints_[id]; }
  EndpointId dead_letters() const { return dead_letters_; }
  size_t transport_count() const { return transport_count_; }
  // Bad days of every sort.
  bool is_rough() const { return rough_; }
  // Routers and middleware of many sorts, so that the rules below are not theirs.
  bool uses_twin() const { return twin_; }
  bool is_changing() const { return changing_; }
  const std::string& router_class(uint32_t dispatcher) const { return dispatchers_[dispatcher].router_class; }
  size_t dispatcher_count() const { return dispatchers_.size(); }
  bool has_relays(uint32_t dispatcher) const;
  bool reply_tracking(uint32_t dispatcher) const { return dispatchers_[dispatcher].reply_tracking; }

  // Another configuration: from now on settings() gives that. What was changed, a digit each, for the journal.
  uint64_t change(Random& random);
  // The rights alone.
  void change_rights(Random& random);
  // Every endpoint that was removed, and every right.
  void bring_everything_back(Random& random);
  // The key of an endpoint's worker; empty: it shows none.
  std::string key_of(EndpointId endpoint, uint64_t instance) const;
  std::vector<PeerSettings> peers() const;

  // The router's own rule, as the page on routers has it, worked out without the router.
  std::vector<EndpointId> inbound(uint32_t dispatcher, const std::string& transport_name) const;
  std::optional<EndpointId> outbound(uint32_t dispatcher, const std::string& transport_name) const;

  // Limits and timings, all but the endpoints'.
  uint64_t heartbeat_ms = 0;
  uint64_t max_message_bytes = 0;
  uint64_t max_batch_bytes = 0;
  uint64_t send_window = 0;
  uint64_t send_window_bytes = 0;
  uint64_t max_prefetch = 0;
  uint64_t max_unsettled_bytes = 0;
  uint64_t session_ttl_s = 0;
  uint64_t removed_endpoint_ms = 0;
  std::string product = "signalbox simulation";

 private:
  struct Dispatcher {
    std::string router_class = "SimpleDispatchRouter";
    std::vector<Setting> given;  // of another router
    std::string provider;        // what StaticProviderSettingMiddleware sets; empty: there is none
    bool reply_tracking = true;
    std::map<std::string, std::vector<EndpointId>> mapping;  // routing_mappings
    std::map<std::string, std::string> aliases;              // transport_mappings
  };

  void make_one_dispatcher(Random& random);
  void make_several_dispatchers(Random& random);
  void map_simply(Random& random, uint32_t dispatcher);
  // scenario_everything.cpp
  void make_everything(Random& random);
  void make_diamond(Random& random);
  void make_tree(Random& random);
  void add_workers(Random& random, uint32_t dispatcher, uint64_t transports, uint64_t applications);
  void choose_router(Random& random, uint32_t dispatcher);
  // scenario_routers.cpp
  bool choose_further_router(Random& random, uint32_t dispatcher);
  // scenario_changing.cpp
  void make_changing(Random& random);
  void change_times(Random& random, EndpointSettings& endpoint);
  void change_limits(Random& random, EndpointSettings& endpoint);
  bool may_go(EndpointId id) const;
  void go_or_come_back(Random& random, EndpointId id);
  void set_removed(Random& random, EndpointId id, bool removed);
  void move(Random& random, EndpointId id);
  void appear(Random& random);
  void reroute(Random& random, uint32_t dispatcher);

  void join(uint32_t near, uint32_t far);
  void map_transport(Random& random, const EndpointSettings& transport, const std::vector<EndpointId>& applications);
  void add_dead_letters(Random& random);
  std::vector<EndpointId> endpoints_of(uint32_t dispatcher, Role role) const;
  std::optional<EndpointId> transport(uint32_t dispatcher, const std::string& name) const;
  std::optional<EndpointId> joint_towards(uint32_t dispatcher, const std::string& name) const;
  std::vector<Setting> router_settings(uint32_t dispatcher) const;
  std::unique_ptr<Router> router(uint32_t dispatcher, StateStore& state) const;
  void add_middleware(DispatcherSettings& settings, uint32_t dispatcher, StateStore& state) const;
  EndpointSettings make_endpoint(Random& random, const std::string& name, Role role) const;

  bool rough_ = false;
  bool twin_ = false;
  bool changing_ = false;
  bool all_routers_ = false;
  bool keys_required_ = false;
  std::set<uint64_t> gone_keys_;      // numbers of keys that are not listed
  std::set<uint64_t> narrowed_keys_;  // and of those that are, under another name
  std::set<std::string> without_ttl_;
  size_t transport_count_ = 0;
  std::vector<Dispatcher> dispatchers_;
  std::vector<EndpointSettings> endpoints_;  // transports, applications, joints (each twice), dead_letters, latecomers
  EndpointId dead_letters_ = 0;
  std::array<char, 192> hash_secret_{};
};

}  // namespace signalbox::simulation
