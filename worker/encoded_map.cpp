#include "worker/encoded_map.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "protocol/value.hpp"
#include "worker/field_value.hpp"

namespace signalbox {
namespace {

using value::Head;
using value::Type;

constexpr uint32_t level_of_values = 2;  // the map itself is level 1
constexpr size_t first_block_bytes = 512;

constexpr Bytes no_entries{"\x80", 1};

}  // namespace

EncodedMap::EncodedMap(const EncodedMap& other, size_t room) {
  copy_from(other, room);
}

EncodedMap::EncodedMap(EncodedMap&& other) noexcept {
  take_from(other);
}

EncodedMap& EncodedMap::operator=(const EncodedMap& other) {
  if (this != &other) copy_from(other, 0);
  return *this;
}

EncodedMap& EncodedMap::operator=(EncodedMap&& other) noexcept {
  if (this != &other) take_from(other);
  return *this;
}

void EncodedMap::copy_from(const EncodedMap& other, size_t room) {
  clear();
  if (other.size_ == 0) return;
  reserve_block(other.end() + room, 0);
  index_.reserve(other.size_ + 1, 0);
  std::memcpy(block_.get() + other.head_, other.block_.get() + other.head_, other.end() - other.head_);
  index_.copy(other.index_, other.size_ + 1);
  head_ = other.head_;
  size_ = other.size_;
}

void EncodedMap::take_from(EncodedMap& other) {
  block_ = std::move(other.block_);
  block_bytes_ = std::exchange(other.block_bytes_, 0);
  head_ = other.head_;
  size_ = std::exchange(other.size_, 0);
  index_.take(other.index_, size_ == 0 ? 0 : size_ + 1);
}

void EncodedMap::clear() {
  size_ = 0;
}

// Room for `bytes` in all, head_room included; of what is there `kept` bytes stay.
void EncodedMap::reserve_block(size_t bytes, size_t kept) {
  if (bytes <= block_bytes_) return;
  if (bytes > bytes_max) throw std::length_error("a message of more than 1 GiB");
  std::unique_ptr<char[]> larger(new char[bytes]);  // not cleared, as make_unique would
  if (kept != 0) std::memcpy(larger.get(), block_.get(), kept);
  block_ = std::move(larger);
  block_bytes_ = static_cast<uint32_t>(bytes);
}

// What to reserve so that `bytes` fit and the next few too.
size_t EncodedMap::grown(size_t bytes) const {
  return std::max({bytes, first_block_bytes, std::min(size_t{block_bytes_} * 2, bytes_max)});
}

bool EncodedMap::assign(Bytes encoded) {
  if (!encoded.empty() && assign_first(encoded) == encoded.size()) return true;
  clear();
  return false;
}

size_t EncodedMap::assign_first(Bytes bytes) {
  uint32_t known = size_;
  clear();
  const char* const end = bytes.data() + bytes.size();
  const Head head = value::read_head(bytes.data(), end);
  if (head.type != Type::map) return 0;
  // An entry has two bytes at least; a count that cannot be is not believed, and no room is made for it.
  if (head.count > std::min(static_cast<size_t>(end - head.payload), bytes_max) / 2) return 0;
  if (index_.reserve(size_t{head.count} + 1, 0)) known = 0;
  const char* const behind = index_entries(head.payload, end, head.count, known);
  if (behind == nullptr) return 0;
  const auto map_bytes = static_cast<size_t>(behind - bytes.data());
  if (map_bytes > bytes_max - head_room) return 0;
  if (head.count == 0) return map_bytes;
  head_ = head_room - static_cast<uint32_t>(head.payload - bytes.data());
  reserve_block(head_ + map_bytes, 0);
  std::memcpy(block_.get() + head_, bytes.data(), map_bytes);
  size_ = head.count;
  return map_bytes;
}

// Notes where the entries will lie that are at `first`, and returns where they end; null: something is wrong with one.
//
// The index may hold `known` entries of the map before. Messages mostly come with the same keys in the same order, and
// a key that is as long as the one before it in its place need not be waited for: the walk is one chain of loads, each
// telling where the next one is, and what is guessed and then checked is no link of it.
const char* EncodedMap::index_entries(const char* first, const char* end, uint32_t count, uint32_t known) {
  const char* at = first;
  const auto place_of = [&](const char* place) { return static_cast<uint32_t>(place - first) + head_room; };
  Entry* entry = entries();
  uint8_t* const signatures = index_.signatures();
  for (uint32_t i = 0; i < count; ++i, ++entry) {
    if (at == end) return nullptr;
    const auto tag = static_cast<unsigned char>(*at);
    const size_t guess = i < known ? entry->value - entry->begin - 1 : none;  // a short key has one byte of head
    const char* text = at + 1;
    size_t text_bytes = guess;
    if (guess > 31 || tag != (0xa0 | guess)) {
      text_bytes = tag & 0x1f;
      if (!value::is_short_text(tag)) {
        const Head key = value::read_head(at, end);
        if (key.type != Type::text) return nullptr;
        text = key.payload;
        text_bytes = key.count;
      }
    }
    if (static_cast<size_t>(end - text) <= text_bytes) return nullptr;
    const char* const value = text + text_bytes;
    *entry = {place_of(at), place_of(value)};
    signatures[i] = signature_of(text, text_bytes);
    const value::End passed = value::skip_present(value, end, level_of_values);
    if (passed.behind == nullptr || passed.too_deep) return nullptr;
    at = passed.behind;
  }
  *entry = {place_of(at), 0};
  return at;
}

Bytes EncodedMap::bytes() const {
  return size_ == 0 ? no_entries : Bytes(block_.get() + head_, end() - head_);
}

std::string_view EncodedMap::key(size_t index) const {
  const Entry& entry = entries()[index];
  return as_text({block_.get() + entry.begin, entry.value - entry.begin});
}

// Of an entry whose key has a head of more than a byte.
bool EncodedMap::is_long_key(size_t index, std::string_view key) const {
  const Entry& entry = entries()[index];
  return as_text({block_.get() + entry.begin, entry.value - entry.begin}) == key;
}

// What lies from `from` on, the entries from `index` on, comes to lie at `to`.
void EncodedMap::move_rest(size_t index, uint32_t from, uint32_t to) {
  const uint32_t old_end = end();
  const uint32_t difference = to - from;  // modulo 2^32, so that it may be a step back
  const size_t new_end = size_t{old_end} + to - from;
  if (new_end > block_bytes_) reserve_block(grown(new_end), old_end);
  move_bytes(block_.get() + to, block_.get() + from, old_end - from);
  Entry* const behind = entries() + size_ + 1;
  for (Entry* entry = entries() + index; entry != behind; ++entry) {
    entry->begin += difference;
    entry->value += difference;
  }
}

void EncodedMap::set_text(size_t index, std::string_view text) {
  char* const place = resize_value(index, text_head_bytes(text.size()) + text.size());
  move_bytes(write_text_head(place, text.size()), text.data(), text.size());
}

void EncodedMap::set_value(size_t index, Bytes encoded) {
  move_bytes(resize_value(index, encoded.size()), encoded.data(), encoded.size());
}

void EncodedMap::append_text(std::string_view key, std::string_view text) {
  char* const place = append(key, text_head_bytes(text.size()) + text.size());
  move_bytes(write_text_head(place, text.size()), text.data(), text.size());
}

void EncodedMap::append_value(std::string_view key, Bytes encoded) {
  move_bytes(append(key, encoded.size()), encoded.data(), encoded.size());
}

char* EncodedMap::resize_value(size_t index, size_t bytes) {
  const Entry* const entry = entries() + index;
  const uint32_t value = entry[0].value;
  const uint32_t old_end = entry[1].begin;
  if (bytes > bytes_max) throw std::length_error("a message of more than 1 GiB");
  const auto new_end = static_cast<uint32_t>(value + bytes);
  if (new_end != old_end) move_rest(index + 1, old_end, new_end);
  return block_.get() + value;
}

char* EncodedMap::append(std::string_view key, size_t bytes) {
  if (key.size() > bytes_max || bytes > bytes_max) throw std::length_error("a message of more than 1 GiB");
  const size_t begin = size_ == 0 ? head_room : end();
  const size_t value = begin + text_head_bytes(key.size()) + key.size();
  const size_t behind = value + bytes;
  if (behind > block_bytes_) reserve_block(grown(behind), size_ == 0 ? 0 : begin);
  index_.reserve(size_t{size_} + 2, size_ == 0 ? 0 : size_ + 1);
  char* const text = write_text_head(block_.get() + begin, key.size());
  move_bytes(text, key.data(), key.size());
  Entry* const entry = entries() + size_;
  entry[0] = {static_cast<uint32_t>(begin), static_cast<uint32_t>(value)};
  entry[1] = {static_cast<uint32_t>(behind), 0};
  index_.signatures()[size_] = signature_of(key.data(), key.size());
  ++size_;
  write_head();
  return block_.get() + value;
}

void EncodedMap::erase(size_t index) {
  Entry* const entry = entries() + index;
  const uint32_t from = entry[1].begin;
  const uint32_t to = entry[0].begin;
  std::copy(entry + 1, entries() + size_ + 1, entry);
  uint8_t* const signature = index_.signatures() + index;
  std::copy(signature + 1, index_.signatures() + size_, signature);
  --size_;
  // The entry that has come to this place still says where it was.
  const uint32_t old_end = end();
  std::memmove(block_.get() + to, block_.get() + from, old_end - from);
  for (Entry* moved = entry; moved != entries() + size_ + 1; ++moved) {
    moved->begin -= from - to;
    moved->value -= from - to;
  }
  write_head();
}

// The map's head, as short as its count allows.
void EncodedMap::write_head() {
  char* const entries_at = block_.get() + head_room;
  if (size_ <= 15) {
    head_ = head_room - 1;
    entries_at[-1] = static_cast<char>(0x80 | size_);
    return;
  }
  entries_at[-1] = static_cast<char>(size_);
  entries_at[-2] = static_cast<char>(size_ >> 8);
  if (size_ <= 0xffff) {
    head_ = head_room - 3;
    entries_at[-3] = '\xde';
    return;
  }
  entries_at[-3] = static_cast<char>(size_ >> 16);
  entries_at[-4] = static_cast<char>(size_ >> 24);
  head_ = head_room - 5;
  entries_at[-5] = '\xdf';
}

}  // namespace signalbox
