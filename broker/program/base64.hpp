// Base64 as in RFC 4648, section 4: with padding, without line ends.
//
// Thread: any; no state. Errors: nullopt where the text is not exactly what encoding some bytes gives.
// Tested by tests/program/json_message_test.cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "protocol/codes.hpp"

namespace signalbox {

[[nodiscard]] std::string to_base64(Bytes bytes);
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace signalbox
