// What `signalbox explain` prints, without the program: a configuration, a message, and the text.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "broker/configuration.hpp"
#include "broker/explain.hpp"
#include "broker/program/explain_text.hpp"
#include "broker/program/json_message.hpp"

namespace signalbox::testing {

// What the broker is said to know.
struct Known {
  std::vector<std::pair<std::string, std::string>> remembered = {};  // id, sender
  std::vector<std::string> alive = {};                               // empty: everybody
};

inline std::string message_pack(const std::string& json) {
  std::string encoded;
  EXPECT_EQ(append_message_pack(encoded, json), "");
  return encoded;
}

// A user message with the id 8c1f, and an acknowledgement of the message 9d20.
inline std::string user(const std::string& fields = "") {
  const std::string start = R"({"message_type":"user_message","message_id":"8c1f")";
  return start + (fields.empty() ? "" : ",") + fields + "}";
}
inline const std::string report =
    R"({"message_type":"event","event_id":"e1","event_type":"ack","user_message_id":"9d20"})";

inline std::unique_ptr<Configuration> configured(const std::string& toml,
                                                 const RouterRegistry& registry = RouterRegistry()) {
  ConfigurationResult result = read_configuration(toml, registry);
  for (const Fault& fault : result.faults) ADD_FAILURE() << to_line("test.toml", fault);
  return std::move(result.configuration);
}

inline EndpointId endpoint(const Settings& settings, const std::string& name) {
  for (EndpointId id = 0; id < settings.endpoints.size(); ++id)
    if (settings.endpoints[id].name == name && !settings.endpoints[id].joint) return id;
  ADD_FAILURE() << "no endpoint " << name;
  return 0;
}

inline Explanation explanation(const std::string& toml, const std::string& from, const std::string& json,
                               const Known& known = {}, const RouterRegistry& registry = RouterRegistry()) {
  const std::unique_ptr<Configuration> configuration = configured(toml, registry);
  if (configuration == nullptr) return {};
  Settings& settings = configuration->settings;
  const std::string encoded = message_pack(json);
  ExplainInput input{.from = endpoint(settings, from),
                     .message = encoded,
                     .remembered = {},
                     .alive = std::nullopt,
                     .now = {1'000'000, 1'300'000'000'000'000}};
  for (const auto& [id, sender] : known.remembered) input.remembered.push_back({id, endpoint(settings, sender)});
  if (!known.alive.empty()) input.alive.emplace();
  for (const std::string& name : known.alive) input.alive->push_back(endpoint(settings, name));
  return explain(settings, input);
}

// The text, behind an empty line, so that what is expected can begin in a line of its own.
inline std::string explained(const std::string& toml, const std::string& from, const std::string& json,
                             const Known& known = {}) {
  return "\n" + to_text(explanation(toml, from, json, known), false);
}

}  // namespace signalbox::testing
