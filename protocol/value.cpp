#include "protocol/value.hpp"

#include "protocol/limits.hpp"

namespace signalbox::value {

// A stack holds for each open array or map how many values it still has to come. At the deepest level that is allowed
// it stops growing: what opens below adds its values to the count at hand. So the end is found in constant memory, and
// since each value has at least one byte, a count beyond the bytes left is broken at once and the sum cannot overflow.
End skip_other(const char* at, const char* end, uint32_t level) {
  uint64_t open[limits::nesting_levels_max];
  uint32_t depth = 0;
  uint64_t to_come = 1;
  bool too_deep = false;
  while (true) {
    while (to_come == 0) {
      if (depth == 0) return {at, too_deep};
      to_come = open[--depth];
    }
    --to_come;
    if (at >= end) return {};
    const unsigned first = static_cast<unsigned char>(*at);
    if (is_short_text(first)) {
      const ptrdiff_t bytes = 1 + static_cast<ptrdiff_t>(first & 0x1f);
      if (end - at < bytes) return {};
      at += bytes;
      continue;
    }
    const Head head = read_head(at, end);
    if (head.payload == nullptr) return {};
    at = head.payload;
    if (head.type < Type::array) {
      at += head.count;
      continue;
    }
    const uint64_t items = head.type == Type::map ? uint64_t{head.count} * 2 : head.count;
    if (level + depth > limits::nesting_levels_max) {
      too_deep = true;
      to_come += items;
    } else {
      open[depth++] = to_come;
      to_come = items;
    }
    if (to_come > static_cast<uint64_t>(end - at)) return {};
  }
}

const char* read_unsigned(const char* at, const char* end, uint64_t& number) {
  if (at >= end) return nullptr;
  const Tag& tag = tag_at(at);
  if (tag.type != Type::unsigned_integer && tag.type != Type::signed_integer) return nullptr;
  const ptrdiff_t bytes = tag.head_bytes + tag.fixed_count;
  if (end - at < bytes) return nullptr;
  const char* payload = at + 1;
  switch (tag.fixed_count) {
    case 1:
      number = static_cast<unsigned char>(*payload);
      break;
    case 2:
      number = load<uint16_t>(payload);
      break;
    case 4:
      number = load<uint32_t>(payload);
      break;
    case 8:
      number = load<uint64_t>(payload);
      break;
    default:
      number = static_cast<unsigned char>(*at);
      break;
  }
  // The first bit of a signed integer is its sign, in the one-byte form too.
  if (tag.type == Type::signed_integer) {
    const unsigned char first = static_cast<unsigned char>(tag.fixed_count == 0 ? *at : *payload);
    if ((first & 0x80) != 0) return nullptr;
  }
  return at + bytes;
}

}  // namespace signalbox::value
