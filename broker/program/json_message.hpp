// Messages as people and shell programs read and type them: one JSON object a message, and nothing lost on the way.
//
// JSON has fewer types than MessagePack. What it lacks is written as an object with one key that begins with "$":
//
//   {"$bin": "<base64>"}            binary
//   {"$ext": [type, "<base64>"]}    an extension, type -128 to 127
//   {"$str": "<base64>"}            text whose bytes are not UTF-8
//   {"$float": "nan"}               "nan", "inf", "-inf"; another NaN as the 16 hexadecimal digits of its bits
//   {"$map": [[key, value], …]}     a map that no JSON object is: with keys that are no text or stand twice, or with a
//                                   single key that begins with "$"
//
// All else is itself: integers of 64 bits are written and read exactly, 1.0 is no integer, keys keep their order. Both
// ways together give back the same values in the shortest encoding of each, a float of 32 bits as one of 64.
// nlohmann-json reads and writes the text, msgpack-c the bytes. nlohmann's own MessagePack is not used: it knows no
// text that is not UTF-8, no keys but text, and of keys that stand twice it keeps one.
//
// Thread: any; no state.
// Owns:   nothing.
// Errors: returned in words, with the place: the byte of the JSON text, or the way to the value
//         ("helper_metadata.tag[2]"). Empty: none. On an error `out` is as it was.
// Bounds: limits::nesting_levels_max levels; the JSON text is at most json_bytes_per_byte_max times as long as the
//         bytes. No length that the bytes claim is believed before they are there.
// Tested by tests/program/json_message_test.cpp.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "protocol/codes.hpp"

namespace signalbox {

// The worst are maps within maps whose keys are texts of one byte that is no UTF-8: 29 characters for 3 bytes.
inline constexpr size_t json_bytes_per_byte_max = 10;

// Appends `encoded`, exactly one MessagePack value, as JSON on one line (without its end). Control characters of every
// kind are escaped, so that no message moves a terminal's cursor.
[[nodiscard]] std::string append_json(std::string& out, Bytes encoded);

// Appends JSON text with its control characters escaped, those from U+007F to U+009F too. REQUIRES: well-formed, those
// below U+0020 escaped already.
void append_escaped(std::string& out, std::string_view json);

// Appends the value that `json`, exactly one JSON value, stands for. An object in which a key stands twice, and an
// integer past 64 bits, are errors: JSON readers disagree about them.
[[nodiscard]] std::string append_message_pack(std::string& out, std::string_view json);

}  // namespace signalbox
