// Comparing and moving a few bytes, and telling keys apart by one: most keys and values of a message are short, and for
// those a call costs more than the work itself. Two words that may overlap do it.
//
// Thread: any; no state. Errors, bounds: none. Tested by encoded_map_test.cpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace signalbox {

template <typename Word>
Word load_word(const char* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// Of a key's length, its first four bytes and its last. The factor is one by which vumi's fields all differ.
inline uint8_t signature_of(const char* key, size_t bytes) {
  uint32_t mixed = static_cast<uint32_t>(bytes);
  if (bytes >= 4) mixed += load_word<uint32_t>(key) + load_word<uint32_t>(key + bytes - 4);
  return static_cast<uint8_t>(mixed * 0x85ebca6bU >> 24);
}

inline bool equal_bytes(const char* left, const char* right, size_t bytes) {
  if (bytes > 16 || bytes < 4) return std::memcmp(left, right, bytes) == 0;
  if (bytes < 8) {
    return load_word<uint32_t>(left) == load_word<uint32_t>(right) &&
           load_word<uint32_t>(left + bytes - 4) == load_word<uint32_t>(right + bytes - 4);
  }
  return load_word<uint64_t>(left) == load_word<uint64_t>(right) &&
         load_word<uint64_t>(left + bytes - 8) == load_word<uint64_t>(right + bytes - 8);
}

template <typename Word>
void move_ends(char* to, const char* from, size_t bytes) {
  const Word first = load_word<Word>(from);
  const Word last = load_word<Word>(from + bytes - sizeof(Word));
  std::memcpy(to, &first, sizeof first);
  std::memcpy(to + bytes - sizeof last, &last, sizeof last);
}

// The two places may overlap.
inline void move_bytes(char* to, const char* from, size_t bytes) {
  using TwoWords = std::array<uint64_t, 2>;
  using FourWords = std::array<uint64_t, 4>;
  if (bytes > 64) {
    std::memmove(to, from, bytes);
  } else if (bytes > 32) {
    move_ends<FourWords>(to, from, bytes);
  } else if (bytes >= 16) {
    move_ends<TwoWords>(to, from, bytes);
  } else if (bytes >= 8) {
    move_ends<uint64_t>(to, from, bytes);
  } else if (bytes >= 4) {
    move_ends<uint32_t>(to, from, bytes);
  } else if (bytes >= 2) {
    move_ends<uint16_t>(to, from, bytes);
  } else if (bytes == 1) {
    *to = *from;
  }
}

}  // namespace signalbox
