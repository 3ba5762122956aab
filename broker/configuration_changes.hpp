// What another configuration changes, in words for people: a line a setting, in the order of the file that it is in.
//
//   + endpoints.my_application.max_messages = 5000
//   - routing_mappings.ussd_transport = "my_application"
//   ~ routing_mappings.smpp_transport: "my_application" -> ["my_application", "audit"]
//
// Tables are compared key by key; dispatchers and peers by their names, wherever they stand; all else as a whole.
// The broker's secret key is never shown.
//
// Thread: any; no state. Bounds: a value is cut at changed_value_bytes_max. Tested by
// tests/configuration/changes_test.cpp.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "routers/setting.hpp"

namespace signalbox {

inline constexpr size_t changed_value_bytes_max = 200;

[[nodiscard]] std::vector<std::string> changes(const Setting& before, const Setting& after);

}  // namespace signalbox
