// The configuration file that a command is given, with what is wrong with it on stderr.
//
// Thread: any; no state. Tested by tests/broker/program_test.cpp.
#pragma once

#include <memory>
#include <string>

#include "broker/configuration.hpp"

namespace signalbox {

// Null where there are faults; they, and the warnings, are on stderr then.
[[nodiscard]] std::unique_ptr<Configuration> read_or_complain(const std::string& file);

}  // namespace signalbox
