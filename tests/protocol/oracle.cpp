#include "tests/protocol/oracle.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <msgpack.hpp>
#include <optional>
#include <set>

namespace signalbox::oracle {
namespace {

using msgpack::type::object_type;

struct LevelCounter : msgpack::null_visitor {
  unsigned level = 0;
  unsigned levels = 0;
  bool broken = false;

  bool start() {
    levels = std::max(levels, ++level);
    return true;
  }
  bool end() {
    --level;
    return true;
  }
  bool start_array(uint32_t) { return start(); }
  bool end_array() { return end(); }
  bool start_map(uint32_t) { return start(); }
  bool end_map() { return end(); }
  void parse_error(size_t, size_t) { broken = true; }
  void insufficient_bytes(size_t, size_t) { broken = true; }
};

// By the definition: decode, then ask whether a code point may be written so.
bool is_utf8_by_definition(std::string_view text) {
  static constexpr std::array<uint32_t, 5> least = {0, 0, 0x80, 0x800, 0x10000};
  for (size_t i = 0; i < text.size();) {
    const uint32_t first = static_cast<unsigned char>(text[i]);
    size_t bytes = 1;
    uint32_t code_point = first;
    if (first >= 0xf8 || (first >= 0x80 && first < 0xc0)) return false;
    if (first >= 0xf0) {
      bytes = 4;
      code_point = first & 0x07;
    } else if (first >= 0xe0) {
      bytes = 3;
      code_point = first & 0x0f;
    } else if (first >= 0xc0) {
      bytes = 2;
      code_point = first & 0x1f;
    }
    if (i + bytes > text.size()) return false;
    for (size_t k = 1; k < bytes; ++k) {
      const uint32_t next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      code_point = code_point << 6 | (next & 0x3f);
    }
    if (bytes > 1 && code_point < least[bytes]) return false;
    if (code_point > 0x10ffff || (code_point >= 0xd800 && code_point <= 0xdfff)) return false;
    i += bytes;
  }
  return true;
}

std::string_view text_of(const msgpack::object& object) {
  return {object.via.str.ptr, object.via.str.size};
}
bool is_text(const msgpack::object& object) {
  return object.type == object_type::STR;
}
bool is_nil(const msgpack::object& object) {
  return object.type == object_type::NIL;
}

using Fields = std::map<std::string_view, std::vector<msgpack::object>>;

// Absent, or nil, or of one value that fits: the text or map. Otherwise `fits` becomes false.
std::optional<msgpack::object> one(const Fields& fields, std::string_view key, object_type type, bool& fits) {
  const auto found = fields.find(key);
  if (found == fields.end()) return std::nullopt;
  if (found->second.size() > 1) fits = false;
  const msgpack::object& object = found->second.front();
  if (is_nil(object)) return std::nullopt;
  if (object.type != type || (type == object_type::STR && !is_utf8_by_definition(text_of(object)))) {
    fits = false;
    return std::nullopt;
  }
  return object;
}

bool id_fits(const std::optional<msgpack::object>& id) {
  return id && id->via.str.size >= 1 && id->via.str.size <= 255;
}

bool routing_fits(const std::optional<msgpack::object>& metadata, std::string_view& endpoint_name) {
  if (!metadata) return true;
  Fields inner;
  for (uint32_t i = 0; i < metadata->via.map.size; ++i) {
    const msgpack::object_kv& entry = metadata->via.map.ptr[i];
    if (is_text(entry.key)) inner[text_of(entry.key)].push_back(entry.val);
  }
  bool fits = true;
  const auto name = one(inner, "endpoint_name", object_type::STR, fits);
  if (name) endpoint_name = text_of(*name);
  return fits;
}

// The rules for messages, one after another.
struct Verdict {
  bool is_message = false;
  MessageKind kind = MessageKind::user_message;
  std::set<std::string_view> judged;
  std::string_view endpoint_name;
};

Verdict judge(const msgpack::object& message, unsigned levels) {
  Verdict verdict;
  if (levels > 32) return verdict;
  Fields fields;
  for (uint32_t i = 0; i < message.via.map.size; ++i) {
    const msgpack::object_kv& entry = message.via.map.ptr[i];
    if (!is_text(entry.key)) return verdict;
    fields[text_of(entry.key)].push_back(entry.val);
  }
  bool fits = true;
  const auto type = one(fields, "message_type", object_type::STR, fits);
  if (!fits || !type) return verdict;
  const bool is_event = text_of(*type) == "event";
  if (!is_event && text_of(*type) != "user_message") return verdict;
  verdict.kind = is_event ? MessageKind::event : MessageKind::user_message;
  verdict.judged = {"message_type", "transport_name", "routing_metadata", "helper_metadata"};
  one(fields, "transport_name", object_type::STR, fits);
  one(fields, "helper_metadata", object_type::MAP, fits);
  fits &= routing_fits(one(fields, "routing_metadata", object_type::MAP, fits), verdict.endpoint_name);
  if (is_event) {
    fits &= id_fits(one(fields, "user_message_id", object_type::STR, fits));
    fits &= one(fields, "event_id", object_type::STR, fits).has_value();
    const auto event_type = one(fields, "event_type", object_type::STR, fits);
    fits &= event_type && std::set<std::string_view>{"ack", "nack", "delivery_report"}.count(text_of(*event_type)) == 1;
    verdict.judged.insert({"user_message_id", "event_id", "event_type"});
  } else {
    fits &= id_fits(one(fields, "message_id", object_type::STR, fits));
    for (const char* key : {"in_reply_to", "to_addr", "from_addr", "content"}) one(fields, key, object_type::STR, fits);
    verdict.judged.insert({"message_id", "in_reply_to", "to_addr", "from_addr", "content"});
  }
  verdict.is_message = fits;
  return verdict;
}

msgpack::object_handle unpack(Bytes bytes) {
  return msgpack::unpack(bytes.data(), bytes.size());
}

std::string field_differences(const MessageView& view, const Verdict& verdict, Bytes message) {
  std::map<std::string_view, Bytes> values;
  std::vector<msgpack::object_handle> keys;
  for (const auto& [key, value] : entries(message)) {
    keys.push_back(unpack(key));
    values[text_of(keys.back().get())] = value;
  }
  for (size_t i = 0; i < field_count; ++i) {
    const Field field = static_cast<Field>(i);
    const auto found = values.find(to_string(field));
    const std::string name{to_string(field)};
    const bool there = found != values.end() && verdict.judged.count(to_string(field)) == 1;
    const Bytes value = there ? found->second : Bytes{};
    if (view.value(field) != value || (there && view.value(field).data() != value.data())) return name + ": its value";
    const msgpack::object_handle object = there ? unpack(value) : msgpack::object_handle{};
    if (view.has(field) != (there && !is_nil(object.get()))) return name + ": whether it is there";
    if (there && object.get().type == object_type::MAP) continue;
    const std::string_view text = there && is_text(object.get()) ? text_of(object.get()) : std::string_view{};
    if (view.text(field) != text) return name + ": its text";
  }
  return view.endpoint_name() == verdict.endpoint_name ? "" : "endpoint_name";
}

}  // namespace

Boundary boundary(Bytes bytes) {
  LevelCounter counter;
  size_t offset = 0;
  const bool whole = !bytes.empty() && msgpack::parse(bytes.data(), bytes.size(), offset, counter) && !counter.broken;
  return {whole, whole ? offset : 0, counter.levels};
}

std::vector<std::pair<Bytes, Bytes>> entries(Bytes map) {
  const unsigned tag = static_cast<unsigned char>(map[0]);
  size_t at = tag == 0xdf ? 5 : tag == 0xde ? 3 : 1;
  std::vector<std::pair<Bytes, Bytes>> all;
  const size_t end = boundary(map).bytes;
  const auto take = [&] {
    const size_t bytes = boundary(map.substr(at)).bytes;
    const Bytes value = map.substr(at, bytes);
    at += bytes;
    return value;
  };
  while (at < end) {
    const Bytes key = take();
    all.emplace_back(key, take());
  }
  return all;
}

std::string scan_difference(Bytes bytes) {
  MessageView view;
  const Scan scan = view.scan(bytes);
  const Boundary found = boundary(bytes);
  const unsigned tag = bytes.empty() ? 0xc0 : static_cast<unsigned char>(bytes[0]);
  const bool is_map = (tag & 0xf0) == 0x80 || tag == 0xde || tag == 0xdf;
  const bool whole = found.whole && is_map;
  if (map_bytes(bytes) != (whole ? std::optional<size_t>(found.bytes) : std::nullopt)) return "map_bytes";
  if ((scan == Scan::broken) == whole) return "broken or not";
  if ((scan == Scan::ok) != view.fault().empty()) return "a fault without words, or words without a fault";
  if (!whole) return "";
  if (view.bytes().data() != bytes.data() || view.bytes().size() != found.bytes) return "where the message ends";
  const msgpack::object_handle handle = unpack(view.bytes());
  const Verdict verdict = judge(handle.get(), found.levels);
  if ((scan == Scan::ok) != verdict.is_message) return "a message or not: " + std::string(view.fault());
  if (scan != Scan::ok) return "";
  if (view.kind() != verdict.kind) return "its kind";
  return field_differences(view, verdict, view.bytes());
}

namespace {

struct TreeEntry;

// A value without its encoding: scalars as msgpack-c packs them.
struct Tree {
  object_type type = object_type::NIL;
  std::string scalar;
  std::vector<Tree> items;         // of an array
  std::vector<TreeEntry> entries;  // of a map, in order

  bool operator==(const Tree& other) const;
  Tree* find(const Tree& key);
  void set(const Tree& key, Tree value);
};

struct TreeEntry {
  Tree key;
  Tree value;
  bool operator==(const TreeEntry& other) const { return key == other.key && value == other.value; }
};

bool Tree::operator==(const Tree& other) const {
  return type == other.type && scalar == other.scalar && items == other.items && entries == other.entries;
}

Tree* Tree::find(const Tree& key) {
  for (TreeEntry& entry : entries)
    if (entry.key == key) return &entry.value;
  return nullptr;
}

void Tree::set(const Tree& key, Tree value) {
  Tree* const found = find(key);
  if (found != nullptr) {
    *found = std::move(value);
  } else {
    entries.push_back({key, std::move(value)});
  }
}

Tree tree_of(const msgpack::object& object) {
  Tree tree;
  tree.type = object.type;
  if (object.type == object_type::ARRAY) {
    for (uint32_t i = 0; i < object.via.array.size; ++i) tree.items.push_back(tree_of(object.via.array.ptr[i]));
  } else if (object.type == object_type::MAP) {
    for (uint32_t i = 0; i < object.via.map.size; ++i)
      tree.entries.push_back({tree_of(object.via.map.ptr[i].key), tree_of(object.via.map.ptr[i].val)});
  } else {
    msgpack::sbuffer buffer;
    msgpack::pack(buffer, object);
    tree.scalar.assign(buffer.data(), buffer.size());
  }
  return tree;
}

Tree tree_of(Bytes bytes) {
  return tree_of(unpack(bytes).get());
}

Tree text_tree(std::string_view text) {
  msgpack::sbuffer buffer;
  msgpack::pack(buffer, text);
  return {object_type::STR, std::string(buffer.data(), buffer.size()), {}, {}};
}

void merge(Tree& map, const Tree& patch) {
  for (const auto& [key, value] : patch.entries) {
    Tree* const found = map.find(key);
    if (found != nullptr && found->type == object_type::MAP && value.type == object_type::MAP) {
      merge(*found, value);
    } else {
      map.set(key, value);
    }
  }
}

// The change of the value that the path leads to; null: nothing or nil is there, and `fresh` becomes what is put there.
bool change(Tree* there, const Edit& edit, const Tree& value, std::optional<Tree>& fresh) {
  switch (edit.operation) {
    case Edit::Operation::set:
      fresh = value;
      return true;
    case Edit::Operation::push:
      if (there == nullptr) fresh = Tree{object_type::ARRAY, {}, {value}, {}};
      if (there != nullptr && there->type == object_type::ARRAY) there->items.push_back(value);
      return there == nullptr || there->type == object_type::ARRAY;
    case Edit::Operation::pop:
      if (there == nullptr) return true;
      if (there->type == object_type::ARRAY && !there->items.empty()) there->items.pop_back();
      return there->type == object_type::ARRAY;
    case Edit::Operation::merge:
      if (value.type != object_type::MAP) return false;
      if (there == nullptr) fresh = value;
      if (there != nullptr && there->type == object_type::MAP) merge(*there, value);
      return there == nullptr || there->type == object_type::MAP;
  }
  return false;
}

bool apply(Tree& top, const Edit& edit, const Tree& value) {
  std::vector<Tree> keys;
  for (const std::string_view key : edit.path) {
    if (key.empty()) break;
    keys.push_back(text_tree(key));
  }
  if (keys.empty()) {
    if (edit.operation != Edit::Operation::merge || value.type != object_type::MAP) return false;
    merge(top, value);
    return true;
  }
  Tree* map = &top;
  size_t depth = 0;
  for (; depth + 1 < keys.size(); ++depth) {
    Tree* const next = map->find(keys[depth]);
    if (next == nullptr || next->type == object_type::NIL) break;
    if (next->type != object_type::MAP) return false;
    map = next;
  }
  Tree* there = depth + 1 == keys.size() ? map->find(keys[depth]) : nullptr;
  if (there != nullptr && there->type == object_type::NIL) there = nullptr;
  std::optional<Tree> fresh;
  if (!change(there, edit, value, fresh)) return false;
  if (!fresh) return true;
  for (size_t i = keys.size(); i-- > depth + 1;) fresh = Tree{object_type::MAP, {}, {}, {{keys[i], *fresh}}};
  map->set(keys[depth], *fresh);
  return true;
}

// The top-level entries that the change is not about are the same bytes in the same order.
std::string outside_difference(Bytes before, Bytes after, const Edit& edit) {
  const auto old_entries = entries(before);
  const auto new_entries = entries(after);
  if (new_entries.size() < old_entries.size()) return "an entry is lost";
  if (edit.path[0].empty()) return "";
  const Tree name = text_tree(edit.path[0]);
  bool changed = false;
  for (size_t i = 0; i < old_entries.size(); ++i) {
    if (old_entries[i].first != new_entries[i].first) return "a key moved or changed";
    const bool is_named = !changed && tree_of(old_entries[i].first) == name;
    changed |= is_named;
    if (!is_named && old_entries[i].second != new_entries[i].second) return "a value outside the path changed";
  }
  return new_entries.size() > old_entries.size() + 1 ? "more than one entry was added" : "";
}

}  // namespace

bool is_plain_patch(Bytes value) {
  const Tree tree = tree_of(value);
  if (tree.type != object_type::MAP) return true;
  std::set<std::string> seen;
  for (const auto& [key, inner] : entries(value)) {
    const Tree name = tree_of(key);
    if (name.type != object_type::STR || !seen.insert(name.scalar).second || !is_plain_patch(inner)) return false;
  }
  return true;
}

std::string rewrite_difference(Bytes message, const Edit& edit) {
  Tree expected = tree_of(message);
  const bool should_fit = apply(expected, edit, edit.operation == Edit::Operation::pop ? Tree{} : tree_of(edit.value));
  std::string rewritten{message};
  const bool fits = rewrite(rewritten, edit);
  if (fits != should_fit) return "fits or not";
  if (!fits) return rewritten == message ? "" : "changed although it does not fit";
  const Boundary found = boundary(rewritten);
  if (!found.whole || found.bytes != rewritten.size()) return "no whole map any more";
  if (!(tree_of(rewritten) == expected)) return "another result";
  return outside_difference(message, rewritten, edit);
}

}  // namespace signalbox::oracle
