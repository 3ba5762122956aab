// What `signalbox check --json` prints: the routes, or the faults; docs/command-line.md has the shape.
//
// Thread: any; no state. Tested by tests/program/check_json_test.cpp.
#pragma once

#include <string>
#include <vector>

#include "broker/configuration.hpp"

namespace signalbox {

// One object, on several lines, the last one ended.
[[nodiscard]] std::string check_json(const std::string& file, const ConfigurationResult& result);

}  // namespace signalbox
