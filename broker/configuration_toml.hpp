// From TOML text to Settings: the one place that knows the TOML library.
//
// Thread: one, while starting up. Errors: a text that is no TOML gives its first break.
// Tested by tests/configuration.
#pragma once

#include <string_view>
#include <variant>

#include "broker/configuration.hpp"
#include "routers/setting.hpp"

namespace signalbox {

// The whole file as one table, its entries in the order of the file; or the first break of a text that is no TOML.
[[nodiscard]] std::variant<Setting, Fault> parse_toml(std::string_view text);

}  // namespace signalbox
