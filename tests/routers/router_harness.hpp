// A router made from a real configuration, and messages to ask it about; what it decides comes back as one line of
// text.
//
// Thread: one. Owns: the configuration and its router. Errors: a configuration with faults fails the test that made it.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/configuration.hpp"

namespace signalbox::testing {

// A message as a test describes it; what is left out is filled in so that the message is whole.
struct Sample {
  Direction direction = Direction::inbound;
  std::string from;                           // the endpoint that sends it
  std::optional<std::string> transport_name;  // absent from the message where it is left out
  std::string followed;                       // the endpoint that the broker remembers; "" for none
  std::string from_addr = "+41";
  std::string content = "hello";
  Time now;
};

// The sample as MessagePack.
std::string encode(const Sample& sample);

class RouterHarness {
 public:
  explicit RouterHarness(std::string_view toml, const RouterRegistry& registry = RouterRegistry());

  // "app1, app2", or "refused no_route: …", or "discarded: …", or "nothing". What the router noted goes to `trail`.
  std::string decide(const Sample& sample, std::vector<std::string>* trail = nullptr);

  EndpointId id(std::string_view name) const;
  Router& router() { return *configuration_->settings.dispatchers[0].router; }
  const Decision& decision() const { return decision_; }

 private:
  std::string describe() const;

  std::unique_ptr<Configuration> configuration_;
  Decision decision_;
};

}  // namespace signalbox::testing
