// What people type as a message, for `signalbox worker` and `signalbox explain`. The first byte says whether the rest
// is JSON or MessagePack, and for `explain` with which configuration; the second from which endpoint.
//
// JSON becomes one whole value or is an error that changes nothing, and what it became reads back as the same value; a
// MessagePack value that nests no deeper than a message may always has a JSON text, which is bounded and means the
// same. What is a map is explained, and the explanation is JSON for programs and plain text for people.
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "broker/explain.hpp"
#include "broker/program/explain_json.hpp"
#include "broker/program/explain_text.hpp"
#include "broker/program/json_message.hpp"
#include "broker/program/typed_message.hpp"
#include "protocol/limits.hpp"
#include "protocol/message_view.hpp"
#include "protocol/text.hpp"
#include "tests/fuzz/choices.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/installations.hpp"
#include "tests/protocol/oracle.hpp"

namespace signalbox::fuzz {
namespace {

bool is_whole(Bytes encoded) {
  const oracle::Boundary found = oracle::boundary(encoded);
  return found.whole && found.bytes == encoded.size() && found.levels <= limits::nesting_levels_max;
}

// The value behind `json`, which reads back as itself. Empty: `json` is at fault.
std::string encoded_from(Bytes json) {
  std::string encoded = "before";
  if (const std::string fault = append_message_pack(encoded, json); !fault.empty()) {
    require(encoded == "before", "an error that has changed the output", json);
    return {};
  }
  require(encoded.starts_with("before"), "what was there is gone", json);
  encoded.erase(0, 6);
  require(is_whole(encoded), "no whole value", encoded);
  std::string text;
  require(append_json(text, encoded).empty(), "no JSON for what JSON has become", encoded);
  require(!has_controls(text, ""), "JSON with control characters", text);
  std::string again;
  require(append_message_pack(again, text).empty() && again == encoded, "JSON that means another value", text);
  return encoded;
}

// JSON of any value.
void check_encoded(Bytes encoded) {
  std::string text = "before";
  const std::string fault = append_json(text, encoded);
  require(fault.empty() == is_whole(encoded), "a value without JSON, or JSON of no value", encoded);
  if (!fault.empty()) return require(text == "before", "an error that has changed the output", encoded);
  text.erase(0, 6);
  require(text.size() <= json_bytes_per_byte_max * encoded.size(), "JSON that is too long", encoded);
  std::string shortest;
  require(append_message_pack(shortest, text).empty(), "JSON that cannot be read", text);
  std::string again;
  require(append_json(again, shortest).empty() && again == text, "JSON that reads back as another", text);
}

void check_explanation(std::string encoded, unsigned first, unsigned second) {
  if ((first & 2) != 0) fill_in(encoded);
  const std::unique_ptr<Configuration> chosen = installation((first >> 2) % installation_count);
  Settings& settings = chosen->settings;
  std::vector<EndpointId> endpoints;
  for (EndpointId id = 0; id < settings.endpoints.size(); ++id)
    if (!settings.endpoints[id].joint) endpoints.push_back(id);
  ExplainInput input{.from = endpoints[second % endpoints.size()],
                     .message = encoded,
                     .remembered = {{"m1", endpoints[0]}, {"m2", endpoints[endpoints.size() / 2]}},
                     .alive = std::nullopt,
                     .now = {.monotonic_ms = 1000, .wall_us = 1'700'000'000'000'000}};
  if (second >= 0x80) input.alive.emplace();
  const Explanation explanation = explain(settings, input);
  const bool is_refused = explanation.outcome == Routing::Verdict::Outcome::refused;
  require(!is_refused || explanation.taken_by.empty(), "refused, and taken", encoded);
  const std::string line = to_json(explanation);
  require(nlohmann::json::accept(line) && !has_controls(line, "\n"), "an explanation that is no line of JSON", line);
  const std::string text = to_text(explanation, false);
  require(is_utf8(text) && !has_controls(text, "\n"), "an explanation that is no plain text", text);
}

}  // namespace

void json(Bytes input) {
  Choices choices(input);
  const unsigned first = choices.take();
  const unsigned second = choices.take();
  if ((first & 1) != 0) check_encoded(choices.rest());
  const std::string encoded = (first & 1) == 0 ? encoded_from(choices.rest()) : std::string(choices.rest());
  if (is_whole(encoded) && map_bytes(encoded) == encoded.size()) check_explanation(encoded, first, second);
}

}  // namespace signalbox::fuzz
