// Where the entries of an encoded map lie, and one byte of each key to find it by.
//
// The signatures, one byte an entry, lie side by side, and sixteen are compared at once: a key that is there, and one
// that is not, is found out in a few nanoseconds wherever it stands. Rejected: comparing key by key, which took half of
// the time that building a message takes; a hash table, which costs more to build than it saves for 20 entries.
//
// Thread: any, one at a time; any number while it is not changed.
// Owns:   room for 32 entries inside itself, for more in one block of the heap.
// Errors: none but memory. Bounds: none of its own; its caller believes no count before it sees the bytes.
// Tested by encoded_map_test.cpp.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace signalbox {

class EntryIndex {
 public:
  // Offsets. A value ends where the next entry begins, so behind the last entry one more says where that is.
  struct Entry {
    uint32_t begin;
    uint32_t value;
  };
  static constexpr size_t none = SIZE_MAX;

  EntryIndex() = default;
  EntryIndex(const EntryIndex&) = delete;
  EntryIndex& operator=(const EntryIndex&) = delete;

  Entry* entries() { return far_ ? far_.get() : near_entries_.data(); }
  const Entry* entries() const { return far_ ? far_.get() : near_entries_.data(); }
  uint8_t* signatures() { return far_ ? reinterpret_cast<uint8_t*>(far_.get() + capacity_) : near_signatures_.data(); }
  const uint8_t* signatures() const {
    return far_ ? reinterpret_cast<const uint8_t*>(far_.get() + capacity_) : near_signatures_.data();
  }

  // Room for `count` entries, the one behind the last included; the first `used` stay. True: it was too small before.
  bool reserve(size_t count, size_t used) {
    if (count <= capacity_) return false;
    make_room(count, used);
    return true;
  }

  // The first of `count` entries with that signature of which `is_it(index)`.
  template <typename IsIt>
  size_t find(uint8_t signature, size_t count, IsIt is_it) const {
    const uint8_t* const all = signatures();
    for (size_t first = 0; first < count; first += at_once) {
      uint32_t equal = equal_bytes(all + first, signature);
      if (count - first < at_once) equal &= (1U << (count - first)) - 1;
      for (; equal != 0; equal &= equal - 1) {
        const size_t index = first + static_cast<size_t>(std::countr_zero(equal));
        if (is_it(index)) return index;
      }
    }
    return none;
  }

  // The first `used` entries of the other's. REQUIRES: room for them.
  void copy(const EntryIndex& other, size_t used) {
    std::copy_n(other.entries(), used, entries());
    std::copy_n(other.signatures(), used, signatures());
  }
  // The other is left with no room but its own.
  void take(EntryIndex& other, size_t used) {
    far_ = std::move(other.far_);
    capacity_ = std::exchange(other.capacity_, near_capacity);
    if (!far_) copy(other, used);
  }

 private:
  static constexpr size_t at_once = 16;
  static constexpr size_t near_capacity = 32;
  static_assert(near_capacity % at_once == 0);

  // Bit i: byte i is `byte`.
  static uint32_t equal_bytes(const uint8_t* bytes, uint8_t byte) {
#ifdef __SSE2__
    __m128i block;
    std::memcpy(&block, bytes, sizeof block);
    return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8(static_cast<char>(byte)))));
#else
    uint32_t equal = 0;
    for (size_t i = 0; i < at_once; ++i) equal |= static_cast<uint32_t>(bytes[i] == byte) << i;
    return equal;
#endif
  }

  void make_room(size_t count, size_t used);

  size_t capacity_ = near_capacity;
  std::unique_ptr<Entry[]> far_;  // the entries, and behind them their signatures; null: the near ones are enough
  std::array<uint8_t, near_capacity> near_signatures_{};
  std::array<Entry, near_capacity> near_entries_;
};

}  // namespace signalbox
