// The input is read as a recipe: an operation, a path, a value and a message, all well-formed by construction, with
// every width of head that MessagePack has and with keys from a short list, so that paths meet the message often. With
// the first bit set, the rest of the input is value and message themselves, taken where msgpack-c finds both whole.
//
// The oracle compares what the edited message says. Beyond it, each map on the path must keep all its other bytes, and
// an array its items.
#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "protocol/limits.hpp"
#include "protocol/message_view.hpp"
#include "protocol/rewrite.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/protocol/oracle.hpp"

namespace signalbox::fuzz {
namespace {

using Path = std::array<std::string_view, Edit::path_keys_max>;

constexpr unsigned levels_of_parts = 6;

const std::string long_key(40, 'k');
const std::string longer_key(300, 'l');
const std::array<std::string_view, 12> keys = {"a",
                                               "b",
                                               "c",
                                               "routing_metadata",
                                               "endpoint_name",
                                               "helper_metadata",
                                               "message_id",
                                               "message_type",
                                               "content",
                                               long_key,
                                               longer_key,
                                               ""};

unsigned tag_of(Bytes value) {
  return static_cast<unsigned char>(value[0]);
}
bool is_map(Bytes value) {
  return (tag_of(value) & 0xf0) == 0x80 || tag_of(value) == 0xde || tag_of(value) == 0xdf;
}
bool is_array(Bytes value) {
  return (tag_of(value) & 0xf0) == 0x90 || tag_of(value) == 0xdc || tag_of(value) == 0xdd;
}

// What a text says; of any other value nothing.
std::optional<Bytes> text_of(Bytes value) {
  const unsigned tag = tag_of(value);
  if ((tag & 0xe0) == 0xa0) return value.substr(1);
  if (tag < 0xd9 || tag > 0xdb) return std::nullopt;
  return value.substr(1 + (size_t{1} << (tag - 0xd9)));
}

// Follows the recipe. Behind its end come zeros, which make the shortest of everything.
class Maker {
 public:
  explicit Maker(Bytes recipe) : recipe_(recipe), may_be_large_(is_for_large(recipe)) {}

  unsigned take() {
    if (recipe_.empty()) return 0;
    const unsigned byte = static_cast<unsigned char>(recipe_[0]);
    recipe_.remove_prefix(1);
    return byte;
  }
  Bytes rest() const { return recipe_; }
  std::string_view key() { return keys[take() % keys.size()]; }

  void value(std::string& out, unsigned levels) {
    const unsigned choice = take();
    switch (choice % 8) {
      case 0:
        return byte(out, 0xc0);
      case 1:
        return byte(out, take() & 0x7f);
      case 2:
        return fixed(out, take());
      case 3:
      case 4:
        return text(out, key(), choice >> 3);
      case 5:
        return items(out, levels, false);
      default:
        return items(out, levels, true);
    }
  }

  void map(std::string& out, unsigned levels) { items(out, levels, true); }

 private:
  // 65536 items take the checks a thousand times as long as a few do, so only short recipes of one first byte in 32 get
  // them: the fuzzer would do little else.
  static bool is_for_large(Bytes recipe) { return recipe.size() <= 8 && !recipe.empty() && (recipe[0] & 0x7c) == 0x7c; }
  static void byte(std::string& out, unsigned value) { out += static_cast<char>(static_cast<unsigned char>(value)); }
  static void number(std::string& out, size_t value, unsigned bytes) {
    for (unsigned i = bytes; i-- > 0;) byte(out, static_cast<unsigned>(value >> (8 * i)) & 0xff);
  }

  // A number, a boolean, binary or an extension.
  void fixed(std::string& out, unsigned choice) {
    static constexpr std::array<std::array<unsigned, 2>, 18> tags = {{{0xc2, 0},
                                                                      {0xc3, 0},
                                                                      {0xca, 4},
                                                                      {0xcb, 8},
                                                                      {0xcc, 1},
                                                                      {0xcd, 2},
                                                                      {0xce, 4},
                                                                      {0xcf, 8},
                                                                      {0xd0, 1},
                                                                      {0xd1, 2},
                                                                      {0xd2, 4},
                                                                      {0xd3, 8},
                                                                      {0xd4, 2},
                                                                      {0xd5, 3},
                                                                      {0xd8, 17},
                                                                      {0xe0, 0},
                                                                      {0xc4, 0},
                                                                      {0xc7, 1}}};
    const auto [tag, bytes] = tags[choice % tags.size()];
    byte(out, tag);
    if (tag == 0xc4 || tag == 0xc7) {
      const unsigned length = take() % 4;
      byte(out, length);
      if (tag == 0xc7) byte(out, 7);
      for (unsigned i = 0; i < length; ++i) byte(out, take());
      return;
    }
    for (unsigned i = 0; i < bytes; ++i) byte(out, take());
  }

  // The head that fits, or a wider one.
  void text(std::string& out, std::string_view text, unsigned width) {
    switch (width % 4) {
      case 1:
        byte(out, 0xda);
        number(out, text.size(), 2);
        out += text;
        return;
      case 2:
        byte(out, 0xdb);
        number(out, text.size(), 4);
        out += text;
        return;
      default:
        return append_text(out, text);
    }
  }

  void items(std::string& out, unsigned levels, bool in_map) {
    const unsigned choice = levels == 0 ? 0 : take();
    // Around the counts at which a head gets wider.
    static constexpr std::array<size_t, 8> edges = {14, 15, 16, 17, 254, 65534, 65535, 65536};
    size_t count = choice % 8;
    if (levels > 0 && choice >= 0xe8) count = edges[count];
    if (count > 1000 && !std::exchange(may_be_large_, false)) count = 1;
    const unsigned width = choice >> 3;
    if (count <= 15 && width % 3 == 0) {
      byte(out, (in_map ? 0x80U : 0x90U) | static_cast<unsigned>(count));
    } else if (count <= 0xffff && width % 3 != 1) {
      byte(out, in_map ? 0xde : 0xdc);
      number(out, count, 2);
    } else {
      byte(out, in_map ? 0xdf : 0xdd);
      number(out, count, 4);
    }
    for (size_t i = 0; i < count; ++i) {
      // Of many items only the last are of interest.
      const bool is_plain = count - i > 8;
      if (in_map && is_plain) byte(out, 0xcd), number(out, i % 0x10000, 2);
      if (in_map && !is_plain) map_key(out, levels - 1);
      is_plain ? byte(out, 0xc0) : value(out, levels - 1);
    }
  }

  void map_key(std::string& out, unsigned levels) {
    const unsigned choice = take();
    if (choice >= 0xf8) return value(out, levels);
    text(out, keys[choice % keys.size()], choice >> 5);
  }

  Bytes recipe_;
  bool may_be_large_;  // one of the items may be one of the largest
};

// Bytes of the head of a map or array.
size_t head_bytes(Bytes value) {
  const unsigned tag = tag_of(value);
  if (tag == 0xdc || tag == 0xde) return 3;
  return tag == 0xdd || tag == 0xdf ? 5 : 1;
}

// A head that has grown, or kept its width; it never shrinks.
void head_fits(Bytes before, Bytes after, size_t count) {
  const size_t needed = count <= 15 ? 1 : count <= 0xffff ? 3 : 5;
  require(head_bytes(after) == std::max(head_bytes(before), needed), "a head of another width", after);
}

// What an edit of the array at the end of the path leaves of it.
void array_is_kept(Bytes before, Bytes after, const Edit& edit) {
  const Bytes old_items = before.substr(head_bytes(before));
  const Bytes new_items = after.substr(head_bytes(after));
  if (edit.operation == Edit::Operation::push) {
    require(new_items == std::string(old_items) + std::string(edit.value), "pushed elsewhere than at the end", after);
  } else if (edit.operation == Edit::Operation::pop) {
    require(old_items.starts_with(new_items), "popped elsewhere than at the end", after);
  }
}

// Each entry of the map but the one on the path is as it was, and so are the keys and their order.
void outside_is_untouched(Bytes before, Bytes after, const Edit& edit, size_t depth) {
  const auto old_entries = oracle::entries(before);
  const auto new_entries = oracle::entries(after);
  const bool is_last = depth + 1 == edit.path.size() || edit.path[depth + 1].empty();
  require(new_entries.size() >= old_entries.size(), "an entry is lost", after);
  require(new_entries.size() <= old_entries.size() + 1, "more than one entry is new", after);
  head_fits(before, after, new_entries.size());
  bool is_found = false;
  for (size_t i = 0; i < old_entries.size(); ++i) {
    const auto& [old_key, old_value] = old_entries[i];
    const auto& [new_key, new_value] = new_entries[i];
    require(old_key == new_key, "a key is another", after);
    if (old_value == new_value) continue;
    require(!is_found, "two values are others", after);
    is_found = true;
    if (!is_last && is_map(old_value)) outside_is_untouched(old_value, new_value, edit, depth + 1);
    if (is_last && is_array(old_value)) array_is_kept(old_value, new_value, edit);
  }
  if (new_entries.size() == old_entries.size()) return;
  std::string name;
  append_text(name, edit.path[depth]);
  require(!is_found && new_entries.back().first == name, "another entry is new, or it is not the only change", after);
}

// The value at the path, by msgpack-c's boundaries; empty: none.
Bytes find_naively(Bytes map, const Path& path) {
  Bytes found = map;
  for (const std::string_view name : path) {
    if (name.empty()) break;
    if (!is_map(found)) return {};
    const auto entries = oracle::entries(found);
    const auto entry = std::find_if(entries.begin(), entries.end(),
                                    [&](const auto& candidate) { return text_of(candidate.first) == name; });
    if (entry == entries.end()) return {};
    found = entry->second;
  }
  return found;
}

void check_edit(Bytes message, const Edit& edit) {
  require(find_value(message, edit.path) == find_naively(message, edit.path), "find_value before", message);
  const bool is_merge = edit.operation == Edit::Operation::merge;
  if (!is_merge || oracle::is_plain_patch(edit.value)) {
    const std::string difference = oracle::rewrite_difference(message, edit);
    if (!difference.empty()) fail("the oracle differs: " + difference, message);
  }
  std::string edited{message};
  if (!rewrite(edited, edit)) {
    require(edited == message, "changed, though it says that it is not", message);
    return;
  }
  const Exact exact(edited);
  const Bytes after = exact.bytes();
  MessageView view;
  require(view.scan(after) != Scan::broken && view.bytes().size() == after.size(), "no whole map any more", after);
  require(map_bytes(after) == after.size(), "map_bytes of the edited message", after);
  const Bytes there = find_value(after, edit.path);
  require(there == find_naively(after, edit.path), "find_value after", after);
  if (edit.operation == Edit::Operation::set) require(there == edit.value, "set, and not found", after);
  if (!edit.path[0].empty()) outside_is_untouched(message, after, edit, 0);
}

}  // namespace

void rewriting(Bytes input) {
  Maker maker(input);
  const unsigned first = maker.take();
  Edit edit;
  edit.operation = static_cast<Edit::Operation>(first & 3);
  const size_t path_keys = (first >> 2 & 0x1f) % (Edit::path_keys_max + 1);
  for (size_t i = 0; i < path_keys; ++i) edit.path[i] = maker.key();
  std::string value;
  std::string message;
  if ((first & 0x80) == 0) {
    maker.value(value, levels_of_parts);
    maker.map(message, levels_of_parts);
  } else {
    const oracle::Boundary whole_value = oracle::boundary(maker.rest());
    if (!whole_value.whole) return;
    value = maker.rest().substr(0, whole_value.bytes);
    message = maker.rest().substr(whole_value.bytes);
    const oracle::Boundary whole = oracle::boundary(message);
    if (!whole.whole || whole.bytes != message.size() || !is_map(message)) return;
    if (whole.levels > limits::nesting_levels_max || whole_value.levels > limits::nesting_levels_max) return;
  }
  edit.value = value;
  check_edit(message, edit);
}

}  // namespace signalbox::fuzz
