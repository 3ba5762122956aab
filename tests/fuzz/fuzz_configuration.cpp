// The text of a configuration file, read with every router and every piece of middleware there is. It has faults or is
// a configuration, never both and never neither; each fault is one line that any terminal may see, at a place within
// the text. A configuration can be shown, takes its own place on a reload, and makes a core that routes.
//
// Plugins are left alone: their libraries would be loaded. The routing memory is made small.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "broker/check.hpp"
#include "broker/configuration.hpp"
#include "broker/configuration_again.hpp"
#include "broker/core/core.hpp"
#include "protocol/header.hpp"
#include "protocol/text.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/installations.hpp"

namespace signalbox::fuzz {
namespace {

constexpr const char* no_such_folder = "/nonexistent";

const std::string message("\x82\xacmessage_type\xacuser_message\xaamessage_id\xa2m1");
const std::string event(
    "\x84\xacmessage_type\xa5"
    "event\xa8"
    "event_id\xa2"
    "e1\xaa"
    "event_type\xa3"
    "ack\xafuser_message_id\xa2m1");

class Nowhere final : public Output {
 public:
  Result send(ConnectionId, Bytes, Run) override { return Result::sent; }
};

void check_fault(const Fault& fault, size_t lines, bool is_warning) {
  const std::string line = to_line("fuzz.toml", fault, is_warning);
  require(is_utf8(line) && !has_controls(line, ""), "a fault that is more than a line of text", line);
  require(fault.where.line >= 1 && fault.where.line <= lines && fault.where.column >= 1, "a fault outside the text",
          line);
}

// The first endpoint of a role that a worker may register.
std::optional<std::string> name_of_a(Role role, const Settings& settings) {
  for (const EndpointSettings& endpoint : settings.endpoints)
    if (endpoint.role == role && !endpoint.joint && !endpoint.dead_letters && !endpoint.removed) return endpoint.name;
  return std::nullopt;
}

void put(Core& core, ConnectionId from, const std::string& header, const std::string& body = "") {
  constexpr Time now{.monotonic_ms = 1000, .wall_us = 1};
  core.frame(from, own_process_key, header, body, body.empty() ? 1 : 2, now);
  core.flush(now);
  core.check_invariants();
}

void route_through(Settings settings, std::unique_ptr<Configuration> again) {
  Nowhere output;
  const std::optional<std::string> transport = name_of_a(Role::transport, settings);
  const std::optional<std::string> application = name_of_a(Role::application, settings);
  Core core(std::move(settings), output);
  core.check_invariants();
  std::string header;
  ConnectionId connection = 0;
  for (const auto& [role, name] : {std::pair(Role::transport, transport), std::pair(Role::application, application)}) {
    if (!name) continue;
    Hello hello;
    hello.role = role;
    hello.name = *name;
    write(header, hello);
    put(core, ++connection, header);
    write(header, Send{1});
    put(core, connection, header, message + event);
  }
  require(connection == 0 || core.registrations() == connection, "an endpoint that nobody can register as", {});
  constexpr Time later{.monotonic_ms = 1200, .wall_us = 1};
  core.reload(std::move(again->settings), later);
  core.tick(later);
  core.flush(later);
  core.check_invariants();
}

}  // namespace

void configuration(Bytes input) {
  if (input.find("plugins") != Bytes::npos) return;
  const size_t lines = static_cast<size_t>(std::ranges::count(input, '\n')) + 1;
  ConfigurationResult result = read_configuration(input, registry(), no_such_folder);
  require((result.configuration == nullptr) != result.faults.empty(), "a configuration with faults, or neither", input);
  for (const Fault& fault : result.faults) check_fault(fault, lines, false);
  for (const Fault& warning : result.warnings) check_fault(warning, lines, true);
  if (result.configuration == nullptr) return;

  Configuration& configuration = *result.configuration;
  require(!has_controls(routes_table(configuration), "\n"), "a table that moves the cursor", input);
  require(is_utf8(routes_drawing(configuration)), "a drawing that is no text", input);
  const Running before = running(configuration);
  ConfigurationResult again = read_configuration(input, registry(), no_such_folder, &before);
  for (const Fault& fault : again.faults) fail("a reload of the same: " + to_line("fuzz.toml", fault), input);
  for (Settings* settings : {&configuration.settings, &again.configuration->settings})
    settings->routing_memory_bytes = 64 * limits::kibibyte;
  route_through(std::move(configuration.settings), std::move(again.configuration));
}

}  // namespace signalbox::fuzz
