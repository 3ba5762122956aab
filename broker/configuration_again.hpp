// Reading a configuration that is to take another's place while the broker runs.
//
// Sessions, queues and the routing memory speak of endpoints and dispatchers by number; so what has the same name keeps
// its number, whatever its place in the file. What is new gets a number that nobody had. What is gone keeps its own, as
// removed, and takes it up again should it come back. An endpoint is the same while it has its name and its role, and
// is a joint as before or none as before; it may move to another dispatcher.
//
// Some settings are fixed while the broker runs: those that workers have been told in WELCOME, and those that sockets
// and memory were made with. A file that changes one is refused, and says which.
//
// Thread: any; values. Errors: faults of the configuration. Bounds: limits::endpoints_max, removed ones included.
// Tested by tests/configuration/again_test.cpp, tests/wire/test_reload.py.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "broker/configuration.hpp"
#include "broker/configuration_faults.hpp"
#include "broker/core/settings.hpp"

namespace signalbox {

// What must be known of the configuration that runs. Taken from it by running(), before the broker is made from it.
struct Running {
  std::vector<EndpointSettings> endpoints;                        // by number
  std::vector<std::string> dispatchers;                           // names, by number
  std::vector<std::pair<std::string, std::string>> fixed_values;  // of [broker], as text
  SecretKey secret_key;
  std::vector<uint32_t> lane_of;  // by endpoint; where there are lanes
  Setting file;                   // all of it, as read
};
[[nodiscard]] Running running(const Configuration& configuration);

// The number of each endpoint and dispatcher that has been read, by its place there.
struct Numbers {
  std::vector<EndpointId> endpoints;
  std::vector<uint32_t> dispatchers;
  uint32_t dispatchers_end = 0;  // one past the highest
};

// Puts settings.endpoints into the order of their numbers, those that are removed among them, and gives the numbers.
// `dispatcher_names`: of those that have been read.
[[nodiscard]] Numbers keep_numbers(const Running& before, const std::vector<std::string>& dispatcher_names,
                                   Settings& settings, FaultList& faults);

// The dispatchers by number. In the places of those that are gone stand dispatchers that refuse whatever comes;
// `dead_letters` takes theirs.
[[nodiscard]] std::vector<DispatcherSettings> by_number(const Running& before, const Numbers& numbers,
                                                        std::vector<DispatcherSettings> read, EndpointId dead_letters);

// A fault for each fixed value that is not as it was, at its place.
void check_fixed_values(const Running& before, const Configuration& after, FaultList& faults);

}  // namespace signalbox
