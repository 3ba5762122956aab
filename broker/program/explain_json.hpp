// An explanation for programs: one JSON object, whose keys docs/explain.md lists.
//
// Thread: any; no state. Errors: none. Bounds: those of the explanation.
// Tested by tests/program/explain_test.cpp.
#pragma once

#include <string>

#include "broker/explain.hpp"

namespace signalbox {

// One line, ended. Values of the message are written as append_json() writes them.
[[nodiscard]] std::string to_json(const Explanation& explanation);

}  // namespace signalbox
