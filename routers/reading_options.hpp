// Reading the options of a piece of middleware: all say the same words about the same faults, each at its place.
//
// Thread: one, while starting up. Owns: nothing. Errors: to SettingReader::fault; the result then says that there is
// nothing to use. Tested by tests/configuration/middleware_test.cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "routers/middleware.hpp"

namespace signalbox {

// False, with a fault, where it is of another type. `what` says what it should be: "a string".
[[nodiscard]] bool has_type(SettingReader& reader, const Setting& setting, Setting::Type type, std::string_view what);

// The option of that key; null with a fault where it is missing, or of another type.
const Setting* require_option(MiddlewareSetup& setup, std::string_view key, Setting::Type type, std::string_view what);

// The same for an entry of a table within.
const Setting* require_entry(SettingReader& reader, const Setting& table, std::string_view key, Setting::Type type,
                             std::string_view what);

// The option's text, or nothing where it is missing or no text.
std::optional<std::string> read_text_option(MiddlewareSetup& setup, std::string_view key);

// A fault for each key of `table` that is none of `known`.
void report_unknown_entries(SettingReader& reader, const Setting& table, const std::vector<std::string>& known);

}  // namespace signalbox
