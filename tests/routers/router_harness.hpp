// A router made from a real configuration, and messages to ask it about; what it decides comes back as one line of
// text.
//
// Thread: one. Owns: the configuration and its router. Errors: a configuration with faults fails the test that made it.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/configuration.hpp"

namespace signalbox::testing {

using Json = nlohmann::json;

// A message as a test describes it; what makes it whole (its type and ids) is filled in.
struct Sample {
  Direction direction = Direction::inbound;
  std::string from;                           // the endpoint that sends it
  std::optional<std::string> transport_name;  // absent from the message where it is left out
  std::string followed;                       // the endpoint that the broker remembers; "" for none
  uint16_t tag = 0;                           // what the router said in remember_as then
  Json fields = Json::object();               // of the message; null is nil, what is left out is absent
  std::optional<std::set<std::string>> live;  // the endpoints that have a worker; left out: all
  Time now;
};

// The sample as MessagePack.
std::string encode(const Sample& sample);
// Any message as MessagePack.
std::string encode(const Json& message);

class RouterHarness {
 public:
  explicit RouterHarness(std::string_view toml, const RouterRegistry& registry = RouterRegistry());

  // "app1, app2", or "refused no_route: …", or "discarded: …", or "nothing"; a star behind a name: that copy is
  // changed. What the router noted goes to `trail`.
  std::string decide(const Sample& sample, std::vector<std::string>* trail = nullptr);
  // The message as the target of that place got it in the decision made last.
  Json copy_for(size_t target) const;

  EndpointId id(std::string_view name) const;
  Router& router() { return *configuration_->settings.dispatchers[0].router; }
  const Settings& settings() const { return configuration_->settings; }
  const Decision& decision() const { return decision_; }
  // "what | from | condition | to | rewrite", as `check` has them.
  std::vector<std::string> routes() const;

 private:
  std::string describe() const;

  std::unique_ptr<Configuration> configuration_;
  Decision decision_;
  std::string bytes_;  // of the message decided last
};

}  // namespace signalbox::testing
