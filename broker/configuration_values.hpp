// Reading single values of the configuration: each says what is wrong with one that does not fit, and gives nothing.
//
// Thread: one, while starting up. Tested by tests/configuration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/configuration_faults.hpp"
#include "routers/setting.hpp"

namespace signalbox {

// False, with a fault, where `setting` is of another type. `what` says what it should be: "a table of names".
bool check_type(const Setting& setting, Setting::Type type, std::string_view what, FaultList& faults);

std::optional<uint64_t> read_number(const Setting& setting, uint64_t least, uint64_t most, FaultList& faults);
std::optional<bool> read_boolean(const Setting& setting, FaultList& faults);

// A string that is a legal endpoint name (protocol page, section 3). `where`, where the name is a key.
bool check_name(std::string_view name, Position where, FaultList& faults);

// A fault for each key of `table` that is none of `known`. `section` names the table in words: "[broker]".
void report_unknown_keys(const Setting& table, std::string_view section, const std::vector<std::string>& known,
                         FaultList& faults);

}  // namespace signalbox
