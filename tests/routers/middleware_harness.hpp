// One dispatcher's middleware, made from a real configuration, and messages as JSON to pass through it.
//
// Thread: one. Owns: the configuration. Errors: a configuration with faults, or a piece that makes no message of one,
// fails the test.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "broker/configuration.hpp"

namespace signalbox::testing {

using Json = nlohmann::json;

enum class Pass { entering, leaving };

class Lines final : public MessageLog {
 public:
  // "info pass=entering …"
  std::vector<std::string> lines;
  void message(Level level, const std::vector<Item>& items) override;
};

class MiddlewareHarness {
 public:
  // `middleware` stands in front of the dispatcher, whose transports are sms and ussd and whose application is app;
  // `options` behind it.
  MiddlewareHarness(std::string_view middleware, std::string_view options,
                    const RouterRegistry& registry = RouterRegistry());

  // What becomes of the message as the pieces see it one after the other, in the order of that pass.
  Json pass(Pass pass, Direction direction, std::string_view connector, const Json& message, const Time& now = {});
  std::string pass_bytes(Pass pass, Direction direction, std::string_view connector, std::string bytes,
                         const Time& now = {});

  const DispatcherSettings& dispatcher() const { return configuration_->settings.dispatchers[0]; }
  const Settings& settings() const { return configuration_->settings; }
  const std::vector<std::string>& lines() const { return log_.lines; }

 private:
  std::unique_ptr<Configuration> configuration_;
  Lines log_;
};

// What a message of that direction has to have, where `fields` do not say it; `fields` may have nil.
Json whole_message(Direction direction, const Json& fields);

}  // namespace signalbox::testing
