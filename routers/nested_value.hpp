// Reading nested values that find_value() found: what a router needs of MessagePack beyond the fields of a message.
//
// Thread: any; no state. Errors: bytes that are not what is asked for give an empty result.
// Tested by nested_value_test.cpp.
#pragma once

#include <optional>
#include <string_view>

#include "protocol/codes.hpp"

namespace signalbox {

// The text of an encoded str; nothing where the value is none. An empty str gives an empty text.
[[nodiscard]] std::optional<std::string_view> text_of(Bytes encoded);

// The last element of an encoded array, still encoded; empty where the array is, or where it is no array.
[[nodiscard]] Bytes last_of(Bytes encoded_array);

}  // namespace signalbox
