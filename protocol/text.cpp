#include "protocol/text.hpp"

#include <cstdint>
#include <cstring>

#include "protocol/limits.hpp"

namespace signalbox {
namespace {

template <typename Word>
Word load(const char* at) {
  Word word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

bool is_continuation(unsigned char byte) {
  return (byte & 0xc0) == 0x80;
}

// Bytes of the character at the front of `text`; 0: no UTF-8 there. REQUIRES: not empty.
size_t character_bytes(Bytes text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  // What the second byte may be shuts out overlong forms, surrogates and all past U+10FFFF.
  unsigned char second_min = 0x80;
  unsigned char second_max = 0xbf;
  size_t bytes = 0;
  if (first >= 0xc2 && first <= 0xdf) {
    bytes = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    bytes = 3;
    if (first == 0xe0) second_min = 0xa0;
    if (first == 0xed) second_max = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    bytes = 4;
    if (first == 0xf0) second_min = 0x90;
    if (first == 0xf4) second_max = 0x8f;
  } else {
    return 0;
  }
  if (text.size() < bytes || byte(1) < second_min || byte(1) > second_max) return 0;
  for (size_t i = 2; i < bytes; ++i)
    if (!is_continuation(byte(i))) return 0;
  return bytes;
}

// C0, DEL and C1 (which UTF-8 writes as 0xc2 and the control itself). REQUIRES: a whole character.
bool is_control(Bytes character) {
  const unsigned char first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  return character.size() == 2 && first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
}

// U+2028 and U+2029, which end a line, and what sets the direction of the text behind it: U+200E, U+200F, U+202A to
// U+202E, U+2066 to U+2069, U+061C. REQUIRES: a whole character.
bool is_layout(Bytes character) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(character[i]); };
  if (character.size() == 2) return byte(0) == 0xd8 && byte(1) == 0x9c;
  if (character.size() != 3 || byte(0) != 0xe2) return false;
  if (byte(1) == 0x80) return byte(2) == 0x8e || byte(2) == 0x8f || (byte(2) >= 0xa8 && byte(2) <= 0xae);
  return byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9;
}

}  // namespace

// By words of 8, the last of which may overlap the one before it.
bool is_ascii(Bytes text) {
  constexpr uint64_t high_bits = 0x8080808080808080;
  const char* at = text.data();
  const char* const end = at + text.size();
  if (text.size() >= 8) {
    for (; end - at > 8; at += 8)
      if ((load<uint64_t>(at) & high_bits) != 0) return false;
    return (load<uint64_t>(end - 8) & high_bits) == 0;
  }
  if (text.size() >= 4) return ((load<uint32_t>(at) | load<uint32_t>(end - 4)) & static_cast<uint32_t>(high_bits)) == 0;
  uint8_t all = 0;
  for (; at < end; ++at) all |= static_cast<uint8_t>(*at);
  return (all & 0x80) == 0;
}

bool is_utf8(Bytes text) {
  if (is_ascii(text)) return true;
  while (!text.empty()) {
    const size_t bytes = character_bytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

bool is_name(Bytes text) {
  if (text.empty() || text.size() > limits::name_bytes_max) return false;
  while (!text.empty()) {
    const size_t bytes = character_bytes(text);
    if (bytes == 0 || text[0] == '/' || is_control(text.substr(0, bytes))) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

std::string printable(Bytes text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  size_t taken = 0;
  while (!text.empty()) {
    const size_t whole = character_bytes(text);
    const size_t bytes = whole == 0 ? 1 : whole;
    taken += bytes;
    if (taken > limits::peer_text_bytes_max) break;
    const Bytes character = text.substr(0, bytes);
    if (whole != 0 && !is_control(character) && !is_layout(character)) {
      out += character;
    } else {
      for (const char byte : character) {
        const auto number = static_cast<unsigned char>(byte);
        out += "\\x";
        out += digits[number >> 4];
        out += digits[number & 0x0f];
      }
    }
    text.remove_prefix(bytes);
  }
  return out;
}

}  // namespace signalbox
