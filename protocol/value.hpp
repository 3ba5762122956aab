// MessagePack as bytes: what the next value is, and where it ends. The one place that knows the format's tag bytes.
//
// One table of 256 entries tells for each tag byte how the value goes on, so that a value without nesting is passed
// with one look-up and one addition. Nothing is decoded into objects and nothing is allocated. The three readers stand
// on it: the message view (the hot path), the header frames and the rewriting. msgpack-c is the oracle of all three in
// the tests.
//
// Thread: any; no state. Errors: a null pointer where the bytes end within a value or hold the tag 0xc1, which
// MessagePack never uses. Bounds: any nesting in constant memory; no length is believed before its bytes are there.
// Tested by value_test.cpp, fuzz_header.cpp, fuzz_body.cpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "protocol/codes.hpp"
#include "protocol/limits.hpp"

namespace signalbox::value {

// Old-spec `raw` shares the tags of text, and reads as text.
enum class Type : uint8_t {
  nil,
  boolean,
  unsigned_integer,
  signed_integer,
  real,
  text,
  binary,
  extension,
  array,
  map,
  never
};

// How a value goes on behind its tag.
enum class Shape : uint8_t {
  fixed,    // all is known from the tag
  sized_1,  // a length of 1, 2 or 4 bytes tells the payload's
  sized_2,
  sized_4,
  items,    // an array or map: the tag tells how many items
  items_2,  // an array or map: a count of 2 or 4 bytes tells
  items_4,
  never,
};

struct Tag {
  Type type = Type::never;
  Shape shape = Shape::never;
  uint8_t head_bytes = 1;   // up to the payload or to the first item
  uint8_t fixed_count = 0;  // payload bytes, or items, that the tag itself tells
};

constexpr Tag describe(unsigned tag) {
  if (tag <= 0x7f) return {Type::unsigned_integer, Shape::fixed, 1, 0};
  if (tag <= 0x8f) return {Type::map, Shape::items, 1, static_cast<uint8_t>(tag & 0x0f)};
  if (tag <= 0x9f) return {Type::array, Shape::items, 1, static_cast<uint8_t>(tag & 0x0f)};
  if (tag <= 0xbf) return {Type::text, Shape::fixed, 1, static_cast<uint8_t>(tag & 0x1f)};
  if (tag >= 0xe0) return {Type::signed_integer, Shape::fixed, 1, 0};
  switch (tag) {
    case 0xc0:
      return {Type::nil, Shape::fixed, 1, 0};
    case 0xc2:
    case 0xc3:
      return {Type::boolean, Shape::fixed, 1, 0};
    case 0xc4:
      return {Type::binary, Shape::sized_1, 2, 0};
    case 0xc5:
      return {Type::binary, Shape::sized_2, 3, 0};
    case 0xc6:
      return {Type::binary, Shape::sized_4, 5, 0};
    case 0xc7:
      return {Type::extension, Shape::sized_1, 3, 0};
    case 0xc8:
      return {Type::extension, Shape::sized_2, 4, 0};
    case 0xc9:
      return {Type::extension, Shape::sized_4, 6, 0};
    case 0xca:
      return {Type::real, Shape::fixed, 1, 4};
    case 0xcb:
      return {Type::real, Shape::fixed, 1, 8};
    case 0xcc:
      return {Type::unsigned_integer, Shape::fixed, 1, 1};
    case 0xcd:
      return {Type::unsigned_integer, Shape::fixed, 1, 2};
    case 0xce:
      return {Type::unsigned_integer, Shape::fixed, 1, 4};
    case 0xcf:
      return {Type::unsigned_integer, Shape::fixed, 1, 8};
    case 0xd0:
      return {Type::signed_integer, Shape::fixed, 1, 1};
    case 0xd1:
      return {Type::signed_integer, Shape::fixed, 1, 2};
    case 0xd2:
      return {Type::signed_integer, Shape::fixed, 1, 4};
    case 0xd3:
      return {Type::signed_integer, Shape::fixed, 1, 8};
    case 0xd4:
      return {Type::extension, Shape::fixed, 2, 1};
    case 0xd5:
      return {Type::extension, Shape::fixed, 2, 2};
    case 0xd6:
      return {Type::extension, Shape::fixed, 2, 4};
    case 0xd7:
      return {Type::extension, Shape::fixed, 2, 8};
    case 0xd8:
      return {Type::extension, Shape::fixed, 2, 16};
    case 0xd9:
      return {Type::text, Shape::sized_1, 2, 0};
    case 0xda:
      return {Type::text, Shape::sized_2, 3, 0};
    case 0xdb:
      return {Type::text, Shape::sized_4, 5, 0};
    case 0xdc:
      return {Type::array, Shape::items_2, 3, 0};
    case 0xdd:
      return {Type::array, Shape::items_4, 5, 0};
    case 0xde:
      return {Type::map, Shape::items_2, 3, 0};
    case 0xdf:
      return {Type::map, Shape::items_4, 5, 0};
    default:
      return {};
  }
}

constexpr std::array<Tag, 256> describe_all() {
  std::array<Tag, 256> all{};
  for (unsigned tag = 0; tag < all.size(); ++tag) all[tag] = describe(tag);
  return all;
}

inline constexpr std::array<Tag, 256> tags = describe_all();

inline constexpr unsigned nil_tag = 0xc0;
inline constexpr unsigned empty_map_tag = 0x80;
inline constexpr unsigned text_1_tag = 0xd9;  // a text with a length of one byte
// A text of up to 31 bytes, whose length is in its tag.
inline bool is_short_text(unsigned tag) {
  return (tag & 0xe0) == 0xa0;
}

inline const Tag& tag_at(const char* at) {
  return tags[static_cast<unsigned char>(*at)];
}

// A big-endian integer, as MessagePack has them. REQUIRES: its bytes are there.
template <typename Integer>
Integer load(const char* at) {
  Integer value = 0;
  std::memcpy(&value, at, sizeof value);
  if constexpr (sizeof value == 2) return __builtin_bswap16(value);
  if constexpr (sizeof value == 4) return __builtin_bswap32(value);
  if constexpr (sizeof value == 8) return __builtin_bswap64(value);
  return value;
}

// The head of one value.
struct Head {
  Type type = Type::never;
  uint32_t count = 0;             // payload bytes; of an array its items; of a map its entries
  const char* payload = nullptr;  // behind the head; null: broken
};

// Reads the head of the value at `at`. Whole for all but arrays and maps: there the items still have to be passed.
inline Head read_head(const char* at, const char* end) {
  if (at >= end) return {};
  const Tag& tag = tag_at(at);
  if (end - at < tag.head_bytes || tag.type == Type::never) return {};
  uint32_t count = tag.fixed_count;
  switch (tag.shape) {
    case Shape::sized_1:
      count = static_cast<unsigned char>(at[1]);
      break;
    case Shape::sized_2:
    case Shape::items_2:
      count = load<uint16_t>(at + 1);
      break;
    case Shape::sized_4:
    case Shape::items_4:
      count = load<uint32_t>(at + 1);
      break;
    default:
      break;
  }
  const char* payload = at + tag.head_bytes;
  if (tag.type < Type::array && static_cast<uint64_t>(end - payload) < count) return {};
  return {tag.type, count, payload};
}

// Where a value ends, and how deep it goes.
struct End {
  const char* behind = nullptr;  // null: broken
  bool too_deep = false;  // an array or map lies below limits::nesting_levels_max; the end was found all the same
};

// Passes any value; what skip does with the less common ones.
End skip_other(const char* at, const char* end, uint32_t level);

// Passes the value at `at`, whose first byte is there. `level` is the level that an array or map here would be on.
inline End skip_present(const char* at, const char* end, uint32_t level) {
  // The commonest first, without the table: a walk is one chain of loads, and a branch that is foreseen is no link of
  // it.
  const unsigned first = static_cast<unsigned char>(*at);
  if (first == nil_tag) return {at + 1, false};
  if (is_short_text(first)) {
    const ptrdiff_t bytes = 1 + static_cast<ptrdiff_t>(first & 0x1f);
    return {end - at < bytes ? nullptr : at + bytes, false};
  }
  if (first == empty_map_tag) return {at + 1, level > limits::nesting_levels_max};
  return skip_other(at, end, level);
}

// The same where nothing may be there.
inline End skip(const char* at, const char* end, uint32_t level) {
  return at < end ? skip_present(at, end, level) : End{};
}

// And for readers that do not mind the depth; null: broken.
inline const char* skip(const char* at, const char* end) {
  return skip(at, end, 1).behind;
}

// A number of any width that is no less than 0: where it ends; null: anything else.
const char* read_unsigned(const char* at, const char* end, uint64_t& number);

}  // namespace signalbox::value
