// Idea: MessagePack counts entries, not bytes, so a change deep inside moves what lies behind it and touches nothing
// before it save the count of the one map or array that grows. So each operation is: walk to the place, check that all
// on the way has the right type, then splice. What is added is first appended to the string and then rotated to its
// place, so a string with room to spare allocates nothing, and a field added at the end of the message is moved
// nowhere.
#include "protocol/rewrite.hpp"

#include <algorithm>
#include <cstring>

#include "protocol/limits.hpp"
#include "protocol/value.hpp"

namespace signalbox {
namespace {

using value::Head;
using value::Type;
using Path = std::array<std::string_view, Edit::path_keys_max>;

size_t keys_of(const Path& path) {
  return static_cast<size_t>(std::find(path.begin(), path.end(), std::string_view{}) - path.begin());
}

Head head_of(Bytes bytes) {
  return value::read_head(bytes.data(), bytes.data() + bytes.size());
}

// A key to look for: a text by what it says, whichever header it has; a value of another type by its bytes.
struct Key {
  Type type = Type::text;
  Bytes bytes;

  static Key text(std::string_view name) { return {Type::text, name}; }
  static Key encoded(Bytes key) {
    const Head head = head_of(key);
    return head.type == Type::text ? Key{Type::text, {head.payload, head.count}} : Key{head.type, key};
  }
  bool operator==(const Key&) const = default;
};

// Where an entry of a map lies, in offsets; `found` false: begin, value and end are the end of the map.
struct Place {
  bool found = false;
  size_t value = 0;
  size_t end = 0;
};

// Walks the entries of a map; stops early where bytes are broken, which no caller's are.
class Entries {
 public:
  // `map` begins with a map and may go on behind it.
  explicit Entries(Bytes map) : end_(map.data() + map.size()) {
    const Head head = head_of(map);
    if (head.type != Type::map) return;
    at_ = head.payload;
    left_ = head.count;
  }

  // Takes the next entry; false: there is none.
  bool next() {
    if (left_ == 0) return false;
    const char* const value = value::skip(at_, end_);
    const char* const behind = value == nullptr ? nullptr : value::skip(value, end_);
    if (behind == nullptr) {
      left_ = 0;
      return false;
    }
    key_ = {at_, static_cast<size_t>(value - at_)};
    value_ = {value, static_cast<size_t>(behind - value)};
    at_ = behind;
    --left_;
    return true;
  }

  Bytes key() const { return key_; }
  Bytes value() const { return value_; }
  // Behind the entry taken last.
  const char* at() const { return at_; }

 private:
  const char* at_ = nullptr;
  const char* end_ = nullptr;
  uint32_t left_ = 0;
  Bytes key_;
  Bytes value_;
};

// The entry of the map at `map` (an offset) whose key is `key`, the first of several.
Place find(Bytes message, size_t map, const Key& key) {
  Entries entries(message.substr(map));
  const auto offset = [&](const char* place) { return static_cast<size_t>(place - message.data()); };
  while (entries.next())
    if (Key::encoded(entries.key()) == key) return {true, offset(entries.value().data()), offset(entries.at())};
  return {false, offset(entries.at()), offset(entries.at())};
}

void append_byte(std::string& out, unsigned byte) {
  out += static_cast<char>(static_cast<unsigned char>(byte));
}

template <typename Integer>
void append_integer(std::string& out, Integer number) {
  for (int shift = (static_cast<int>(sizeof number) - 1) * 8; shift >= 0; shift -= 8)
    append_byte(out, static_cast<unsigned>(number >> shift) & 0xff);
}

// Gives the map or array at `offset` another count: in the header that it has, or, if that cannot hold it, a wider one.
void set_count(std::string& message, size_t offset, uint32_t count) {
  const value::Tag tag = value::tag_at(message.data() + offset);
  const bool is_map = tag.type == Type::map;
  const auto put = [&](size_t bytes) {
    for (size_t i = 0; i < bytes; ++i)
      message[offset + bytes - i] = static_cast<char>(static_cast<unsigned char>(count >> (8 * i)));
  };
  if (tag.shape == value::Shape::items && count <= 0x0f) {
    message[offset] = static_cast<char>(static_cast<unsigned char>((is_map ? 0x80U : 0x90U) | count));
  } else if (tag.shape == value::Shape::items_2 && count <= 0xffff) {
    put(2);
  } else if (tag.shape == value::Shape::items_4) {
    put(4);
  } else {
    const bool two = count <= 0xffff;
    message.insert(offset, (two ? 3U : 5U) - tag.head_bytes, '\0');
    message[offset] = static_cast<char>(static_cast<unsigned char>(is_map ? (two ? 0xde : 0xdf) : (two ? 0xdc : 0xdd)));
    put(two ? 2 : 4);
  }
}

// One more entry or item in the map or array at `offset`.
void count_one_more(std::string& message, size_t offset) {
  set_count(message, offset, head_of(Bytes{message}.substr(offset)).count + 1);
}

// What was appended from `appended` on comes to lie at `offset`.
void move_back(std::string& message, size_t offset, size_t appended) {
  if (offset == appended) return;
  const auto begin = message.begin();
  std::rotate(begin + static_cast<ptrdiff_t>(offset), begin + static_cast<ptrdiff_t>(appended), message.end());
}

// How far a path leads. `map` is the innermost map that is there; `keys` of the path lead to it; `place` is where the
// next key stands in it, if it does. `fits` is false where the path runs into a value that is no map.
struct Target {
  bool fits = true;
  size_t map = 0;
  size_t keys = 0;
  Place place;
};

Target follow(Bytes message, const Path& path, size_t path_keys) {
  Target target;
  while (true) {
    target.place = find(message, target.map, Key::text(path[target.keys]));
    if (!target.place.found || target.keys + 1 == path_keys) return target;
    const Type type = head_of(message.substr(target.place.value)).type;
    if (type == Type::nil) return target;
    if (type != Type::map) {
      target.fits = false;
      return target;
    }
    target.map = target.place.value;
    ++target.keys;
  }
}

// The value at the whole path is there and not nil.
bool reached(Bytes message, const Target& target, size_t path_keys) {
  return target.place.found && target.keys + 1 == path_keys &&
         head_of(message.substr(target.place.value)).type != Type::nil;
}

// Puts `value` where the path leads: in place of what stands there, or with all of the path that is missing.
void put(std::string& message, const Path& path, size_t path_keys, const Target& target, Bytes value, bool in_array) {
  if (target.place.found && target.keys + 1 == path_keys && !in_array) {
    message.replace(target.place.value, target.place.end - target.place.value, value);
    return;
  }
  const size_t appended = message.size();
  if (!target.place.found) append_text(message, path[target.keys]);
  for (size_t i = target.keys + 1; i < path_keys; ++i) {
    append_byte(message, 0x81);
    append_text(message, path[i]);
  }
  if (in_array) append_byte(message, 0x91);
  message += value;
  if (target.place.found) {
    const size_t replaced = target.place.end - target.place.value;
    move_back(message, target.place.end, appended);
    message.erase(target.place.value, replaced);
  } else {
    move_back(message, target.place.end, appended);
    count_one_more(message, target.map);
  }
}

bool push(std::string& message, const Target& target, Bytes value) {
  const size_t array = target.place.value;
  if (head_of(Bytes{message}.substr(array)).type != Type::array) return false;
  const size_t appended = message.size();
  message += value;
  move_back(message, target.place.end, appended);
  count_one_more(message, array);
  return true;
}

bool pop(std::string& message, const Target& target) {
  const size_t array = target.place.value;
  const Head head = head_of(Bytes{message}.substr(array));
  if (head.type != Type::array) return false;
  if (head.count == 0) return true;
  const char* const end = message.data() + message.size();
  const char* last = head.payload;
  for (uint32_t i = 1; i < head.count && last != nullptr; ++i) last = value::skip(last, end);
  if (last == nullptr) return false;
  const size_t offset = static_cast<size_t>(last - message.data());
  message.erase(offset, target.place.end - offset);
  set_count(message, array, head.count - 1);
  return true;
}

// Sets each entry of the map `patch` in the map at `map`. Recursion ends where the message's own nesting does.
void merge(std::string& message, size_t map, Bytes patch, uint32_t levels_left) {
  Entries entries(patch);
  while (entries.next()) {
    const Place place = find(message, map, Key::encoded(entries.key()));
    if (!place.found) {
      const size_t appended = message.size();
      message += entries.key();
      message += entries.value();
      move_back(message, place.end, appended);
      count_one_more(message, map);
      continue;
    }
    const bool both_maps =
        head_of(Bytes{message}.substr(place.value)).type == Type::map && head_of(entries.value()).type == Type::map;
    if (both_maps && levels_left > 0) {
      merge(message, place.value, entries.value(), levels_left - 1);
    } else {
      message.replace(place.value, place.end - place.value, entries.value());
    }
  }
}

}  // namespace

bool rewrite(std::string& message, const Edit& edit) {
  using Operation = Edit::Operation;
  const size_t path_keys = keys_of(edit.path);
  const bool merges = edit.operation == Operation::merge;
  if (head_of(message).type != Type::map) return false;
  if (merges && head_of(edit.value).type != Type::map) return false;
  if (path_keys == 0) {
    if (merges) merge(message, 0, edit.value, limits::nesting_levels_max);
    return merges;
  }
  const Target target = follow(message, edit.path, path_keys);
  if (!target.fits) return false;
  const bool is_there = reached(message, target, path_keys);
  switch (edit.operation) {
    case Operation::set:
      put(message, edit.path, path_keys, target, edit.value, false);
      return true;
    case Operation::push:
      if (is_there) return push(message, target, edit.value);
      put(message, edit.path, path_keys, target, edit.value, true);
      return true;
    case Operation::pop:
      return is_there ? pop(message, target) : true;
    case Operation::merge:
      if (!is_there) {
        put(message, edit.path, path_keys, target, edit.value, false);
        return true;
      }
      if (head_of(Bytes{message}.substr(target.place.value)).type != Type::map) return false;
      merge(message, target.place.value, edit.value, limits::nesting_levels_max);
      return true;
  }
  return false;
}

void append_text(std::string& out, std::string_view text) {
  const size_t bytes = text.size();
  if (bytes <= 31) {
    append_byte(out, 0xa0U | static_cast<unsigned>(bytes));
  } else if (bytes <= 0xff) {
    append_byte(out, 0xd9);
    append_byte(out, static_cast<unsigned>(bytes));
  } else if (bytes <= 0xffff) {
    append_byte(out, 0xda);
    append_integer(out, static_cast<uint16_t>(bytes));
  } else {
    append_byte(out, 0xdb);
    append_integer(out, static_cast<uint32_t>(bytes));
  }
  out += text;
}

Bytes find_value(Bytes map, const std::array<std::string_view, Edit::path_keys_max>& path) {
  Bytes found = map;
  for (size_t i = 0; i < keys_of(path); ++i) {
    if (head_of(found).type != Type::map) return {};
    const Place place = find(found, 0, Key::text(path[i]));
    if (!place.found) return {};
    found = found.substr(place.value, place.end - place.value);
  }
  return found;
}

}  // namespace signalbox
