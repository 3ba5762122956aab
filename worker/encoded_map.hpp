// One MessagePack map with texts for keys, kept encoded, and beside it where each of its entries lies.
//
// The bytes are at all times the whole encoded map in one piece, so that encoding is nothing but handing them out: to
// change an entry moves what lies behind it, which for a message of a few hundred bytes costs less than to gather the
// pieces afterwards. Room for the widest head is kept in front, so a map whose head grows is not moved.
//
// Values are passed by protocol/value.hpp, bounded in depth and by the bytes there are. Rejected: msgpack-c's visitor,
// which is called back for each value and has all of them written anew; it is the oracle in the tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "protocol/codes.hpp"
#include "worker/entry_index.hpp"
#include "worker/short_bytes.hpp"

namespace signalbox {

// Thread: any, one at a time; any number while it is not changed.
// Owns:   its bytes, in one block of the heap; its index, inside itself up to 31 entries, in a second block beyond.
// Errors: assign() returns them; growing past bytes_max throws std::length_error and changes nothing.
// Bounds: bytes_max; limits::nesting_levels_max in assign(). No count is believed before the bytes for it are there.
// Tested by encoded_map_test.cpp, message_test.cpp.
class EncodedMap {
 public:
  static constexpr size_t none = EntryIndex::none;
  static constexpr size_t bytes_max = size_t{1} << 30;

  EncodedMap() = default;
  EncodedMap(const EncodedMap& other) : EncodedMap(other, 0) {}
  // A copy with room for so many more bytes.
  EncodedMap(const EncodedMap& other, size_t room);
  EncodedMap(EncodedMap&& other) noexcept;
  EncodedMap& operator=(const EncodedMap& other);
  EncodedMap& operator=(EncodedMap&& other) noexcept;
  ~EncodedMap() = default;

  // Replaces the content by a copy of one encoded map; what was allocated is used again. False, and empty: the bytes
  // are not one well-formed map with texts for keys, are nested too deeply, or too many. REQUIRES: not its own bytes.
  [[nodiscard]] bool assign(Bytes encoded);
  // The same with the map at the start of `bytes`, which may go on behind it: where it ends. 0, and empty: there is
  // none.
  [[nodiscard]] size_t assign_first(Bytes bytes);
  void clear();

  Bytes bytes() const;
  size_t size() const { return size_; }
  std::string_view key(size_t index) const;
  Bytes value(size_t index) const {
    const Entry* const entry = entries() + index;
    return {block_.get() + entry[0].value, entry[1].begin - entry[0].value};
  }
  // The first entry of that key; none: there is none.
  size_t find(std::string_view key) const;
  bool owns(Bytes part) const;

  // Replaces the value of an entry, or adds an entry at the end. REQUIRES: no argument is owned; `encoded` is exactly
  // one MessagePack value.
  void set_text(size_t index, std::string_view text);
  void set_value(size_t index, Bytes encoded);
  void append_text(std::string_view key, std::string_view text);
  void append_value(std::string_view key, Bytes encoded);
  // The same for who writes the value himself, at the place that is returned and as long as said.
  char* resize_value(size_t index, size_t bytes);
  char* append(std::string_view key, size_t bytes);
  void erase(size_t index);

 private:
  using Entry = EntryIndex::Entry;
  static constexpr uint32_t head_room = 5;  // the widest head of a map
  static constexpr size_t short_text_bytes_max = 31;

  Entry* entries() { return index_.entries(); }
  const Entry* entries() const { return index_.entries(); }
  uint32_t end() const { return entries()[size_].begin; }
  bool is_key(size_t index, std::string_view key) const;
  bool is_long_key(size_t index, std::string_view key) const;
  const char* index_entries(const char* first, const char* end, uint32_t count, uint32_t known);
  void reserve_block(size_t bytes, size_t kept);
  size_t grown(size_t bytes) const;
  void move_rest(size_t index, uint32_t from, uint32_t to);
  void write_head();
  void copy_from(const EncodedMap& other, size_t room);
  void take_from(EncodedMap& other);

  std::unique_ptr<char[]> block_;  // head_room, then the entries
  uint32_t block_bytes_ = 0;
  uint32_t head_ = 0;  // where the map's head begins in the block
  uint32_t size_ = 0;  // entries in force
  EntryIndex index_;   // of size_ entries and the end behind them; in force where size_ is not 0
};

// What follows stands here so that a key which is a constant costs a few comparisons with constants: its length, its
// words and its signature are worked out by the compiler.

inline bool EncodedMap::is_key(size_t index, std::string_view key) const {
  const char* const begin = block_.get() + entries()[index].begin;
  const auto head = static_cast<unsigned char>(*begin);
  constexpr unsigned short_text = 0xa0;  // and the length behind it
  if (key.size() <= short_text_bytes_max && head == (short_text | key.size()))
    return equal_bytes(begin + 1, key.data(), key.size());
  return (head & 0xe0) != short_text && is_long_key(index, key);
}

inline size_t EncodedMap::find(std::string_view key) const {
  return index_.find(signature_of(key.data(), key.size()), size_,
                     [this, key](size_t index) { return is_key(index, key); });
}

inline bool EncodedMap::owns(Bytes part) const {
  const std::less<const char*> before;
  return block_ && !before(part.data(), block_.get()) && before(part.data(), block_.get() + block_bytes_);
}

}  // namespace signalbox
