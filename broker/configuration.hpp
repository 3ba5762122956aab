// The configuration file: read whole, checked whole, turned into what the core and the link are made from.
//
// Every fault is reported at once, each with its place, what is wrong and, for a misspelt key or name, the nearest that
// exists (a text that is no TOML: its first break only). A configuration with a fault is no configuration.
//
// Thread: one, while starting up. Errors: faults are values; nothing throws but for want of memory.
// Tested by tests/configuration.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/settings.hpp"
#include "routers/registry.hpp"
#include "routers/setting.hpp"

namespace signalbox {

struct Fault {
  Position where;
  std::string text;  // what is wrong, and what to do about it
};

struct Configuration {
  Settings settings;
  std::vector<std::string> endpoints;  // what the link binds: tcp://, ipc:// or inproc://
  bool insecure = false;               // may bind elsewhere than on loopback
  std::vector<Fault> warnings;         // accepted all the same
};

struct ConfigurationResult {
  std::unique_ptr<Configuration> configuration;  // null where there are faults
  std::vector<Fault> faults;                     // in the order of the file
  std::vector<Fault> warnings;
};

// Checks and builds a configuration from TOML text.
[[nodiscard]] ConfigurationResult read_configuration(std::string_view toml, const RouterRegistry& registry);

// The same from a file; a file that cannot be read is a fault at 1:1.
[[nodiscard]] ConfigurationResult read_configuration_file(const std::string& path, const RouterRegistry& registry);

// "seed.toml:3:19: error: …", one line a fault.
[[nodiscard]] std::string to_line(std::string_view file, const Fault& fault, bool warning = false);

}  // namespace signalbox
