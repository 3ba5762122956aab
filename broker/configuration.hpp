// The configuration file: read whole, checked whole, turned into what the core and the link are made from.
//
// Every fault is reported at once, each with its place, what is wrong and, for a misspelt key or name, the nearest that
// exists (a text that is no TOML: its first break only). A configuration with a fault is no configuration.
//
// A program may build the same tree of settings in code (broker/setting_builder.hpp) instead of a file. The checks are
// the same ones; faults then name the setting, "routing_mappings.sms", where a file has line and column.
//
// Thread: one, while starting up. Errors: faults are values; nothing throws but for want of memory.
// Tested by tests/configuration.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/settings.hpp"
#include "broker/idle.hpp"
#include "protocol/keys.hpp"
#include "routers/registry.hpp"
#include "routers/setting.hpp"

namespace signalbox {

struct Running;  // configuration_again.hpp

struct Fault {
  Position where;            // line 0: of a configuration built in code; `text` begins with the setting's path
  std::string text;          // what is wrong, and what to do about it
  std::string nearest = {};  // the name that may have been meant, where one is near
};

struct Configuration {
  Settings settings;
  std::vector<Settings> further_lanes;  // the same once more for each lane but the first, with routers of its own
  std::vector<uint32_t> lane_of;        // by endpoint; where there are lanes
  std::vector<uint32_t> lane_cpus;      // the processor of each lane; empty: whichever
  Idle idle = Idle::sleep;
  std::vector<std::string> endpoints;  // what the link binds: tcp://, ipc:// or inproc://. A program whose workers are
                                       // all in its own process may clear it: then nothing is bound
  bool insecure = false;               // may bind elsewhere than on loopback
  SecretKey secret_key;                // the broker's; with one, only settings.peers get in (save from within)
  std::vector<std::string> plugins;    // the shared libraries loaded for it, by absolute path
  std::vector<Fault> warnings;         // accepted all the same
  Setting file;                        // as read, to tell what another one changes
};

struct ConfigurationResult {
  std::unique_ptr<Configuration> configuration;  // null where there are faults
  std::vector<Fault> faults;                     // in the order of the file
  std::vector<Fault> warnings;
};

// Checks and builds a configuration from TOML text. Relative paths in it begin in `folder`; empty: where the process
// is. With `before` it is to take the place of that one, see configuration_again.hpp.
[[nodiscard]] ConfigurationResult read_configuration(std::string_view toml, const RouterRegistry& registry,
                                                     const std::string& folder = {}, const Running* before = nullptr);

// The same from a file, in whose folder relative paths begin; a file that cannot be read is a fault at 1:1.
[[nodiscard]] ConfigurationResult read_configuration_file(const std::string& path, const RouterRegistry& registry,
                                                          const Running* before = nullptr);

// The same from settings built in code: a table with what a file has at its top.
[[nodiscard]] ConfigurationResult read_configuration(const Setting& table, const RouterRegistry& registry,
                                                     const Running* before = nullptr);

// For a program that cannot go on without: the configuration, or ConfigurationError with every fault, one a line.
class ConfigurationError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
[[nodiscard]] Configuration accepted(ConfigurationResult result, std::string_view file = "configuration");

// "seed.toml:3:19: error: …", one line a fault; without the place where a fault has none.
[[nodiscard]] std::string to_line(std::string_view file, const Fault& fault, bool warning = false);

}  // namespace signalbox
