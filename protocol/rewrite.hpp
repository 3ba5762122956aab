// Changing one field of an encoded message in place: splice the value, leave every other byte and the order as they
// were.
//
// A rewrite puts a nil field's value in its place and adds an absent field at the end of its map; a map that grows past
// what its header can count gets the next wider one. Nested maps are reached by a path of keys; a map missing on the
// way (absent or nil) is added.
//
// Thread: any; no state. Errors: a path that runs into a value of another type leaves the message unchanged and says
// so.
// Bounds: Edit::path_keys_max keys deep; what a rewrite adds is not counted against max_message_bytes.
// A merge looks up each of its entries in the map that it goes into, so its value should be an operator's, not a
// peer's. Tested by rewrite_test.cpp, fuzz_rewrite.cpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/codes.hpp"

namespace signalbox {

struct Edit {
  enum class Operation : uint8_t {
    set,    // the value at the path becomes `value`
    push,   // `value` is added at the end of the array at the path; absent or nil: an array of one
    pop,    // the last element of the array at the path is removed; an empty one stays; `value` is not read
    merge,  // `value` is a map; each of its entries is set in the map at the path, deeply where both sides are maps
  };
  static constexpr size_t path_keys_max = 4;

  Operation operation = Operation::set;
  std::array<std::string_view, path_keys_max> path{};  // keys from the top; the first empty one ends it
  Bytes value;                                         // MessagePack
};

// Applies `edit` to `message`, which holds exactly one well-formed map; edit.value does not point into it. Of a key
// that is given twice the first changes; a pop where nothing is, or nil, changes nothing and is true. False: unchanged,
// since the path, or the value there, has another type than the operation needs.
[[nodiscard]] bool rewrite(std::string& message, const Edit& edit);

// Appends `text` as a MessagePack str.
void append_text(std::string& out, std::string_view text);

// The encoded value at `path` within a well-formed map; empty where there is none. For routers that read nested fields.
[[nodiscard]] Bytes find_value(Bytes map, const std::array<std::string_view, Edit::path_keys_max>& path);

}  // namespace signalbox
