// One invented installation: endpoints, limits and a real SimpleDispatchRouter, all from the seed.
//
// Limits are tiny beside the defaults, so that a run of a few thousand steps reaches every one of them.
//
// Thread: one. Owns: names and mappings; constant after construction.
// Tested by simulation_test.cpp.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/core/settings.hpp"
#include "tests/simulation/random.hpp"

namespace signalbox::simulation {

class Scenario {
 public:
  explicit Scenario(Random& random);

  // What the core is built from: the same each time it is asked, with a router of its own.
  Settings settings() const;

  size_t endpoint_count() const { return endpoints_.size(); }
  const EndpointSettings& endpoint(EndpointId id) const { return endpoints_[id]; }
  EndpointId dead_letters() const { return static_cast<EndpointId>(endpoints_.size() - 1); }
  size_t transport_count() const { return transport_count_; }
  bool has_relays() const;
  bool reply_tracking() const { return reply_tracking_; }
  const std::map<std::string, std::string>& aliases() const { return aliases_; }

  // The router's own rule, as the page on routers has it, worked out without the router.
  std::vector<EndpointId> inbound(const std::string& transport_name) const;
  std::optional<EndpointId> outbound(const std::string& transport_name) const;
  std::optional<EndpointId> transport(const std::string& name) const;

  // Limits and timings, all but the endpoints'.
  uint64_t heartbeat_ms = 0;
  uint64_t max_message_bytes = 0;
  uint64_t max_batch_bytes = 0;
  uint64_t send_window = 0;
  uint64_t send_window_bytes = 0;
  uint64_t max_prefetch = 0;
  uint64_t max_unsettled_bytes = 0;
  uint64_t session_ttl_s = 0;
  std::string product = "signalbox simulation";

 private:
  EndpointSettings make_endpoint(Random& random, const std::string& name, Role role) const;

  size_t transport_count_ = 0;
  bool reply_tracking_ = true;
  std::vector<EndpointSettings> endpoints_;                 // transports, applications, dead_letters
  std::map<std::string, std::vector<EndpointId>> mapping_;  // routing_mappings
  std::map<std::string, std::string> aliases_;              // transport_mappings
  std::array<char, 192> hash_secret_{};
};

}  // namespace signalbox::simulation
