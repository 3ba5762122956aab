// An explanation for people: the way of the message line by line, indented where it goes on behind a joint.
//
// Thread: any; no state. Errors: none. Bounds: a value is cut at value_bytes_max bytes of its JSON; all else is shown.
// Tested by tests/program/explain_test.cpp.
#pragma once

#include <cstddef>
#include <string>

#include "broker/explain.hpp"

namespace signalbox {

inline constexpr size_t value_bytes_max = 160;

// Whole lines, the verdict last. No byte of the message or of a router's words moves a terminal's cursor; colours,
// where they are wanted, do no more than colour.
[[nodiscard]] std::string to_text(const Explanation& explanation, bool in_colour);

}  // namespace signalbox
