// YAML text as a tree that has been read whole, with the place of each value: the one place that knows the YAML
// library.
//
// It is read by events and not as the library's own tree, so that nothing a file says can cost more than the bounds
// below: nesting is cut off as it begins, and an alias counts as much as a copy of what it stands for. Aliases and
// merges (`<<`) are resolved as PyYAML resolves them: an entry of one's own goes before a merged one, and of two with
// the same key the later one counts. What a plain word means (`no`, `017`, `1:30`) is YAML 1.1's business and is told
// by scalar_of(); the tree keeps the word as it was written. Comments are not kept: the library drops them.
//
// Thread: any; no state. Errors: a text that is no YAML, or passes a bound, gives one YamlFault.
// Bounds: yaml_bytes_max, yaml_depth_max, yaml_values_max, yaml_text_bytes_max.
// Tested by tests/program/import_test.py.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "routers/setting.hpp"

namespace signalbox {

inline constexpr size_t yaml_bytes_max = size_t{4} * 1024 * 1024;       // of a file
inline constexpr size_t yaml_depth_max = 32;                            // maps and lists within one another
inline constexpr size_t yaml_values_max = 250'000;                      // aliases counted as what they stand for
inline constexpr size_t yaml_text_bytes_max = size_t{8} * 1024 * 1024;  // all keys and texts, aliases likewise

struct YamlNode {
  enum class Kind : uint8_t { null, text, list, map };

  Kind kind = Kind::null;
  bool plain = false;     // a word without quotes, which may be a number or a boolean
  bool anchored = false;  // it, or something in it, is what an alias may stand for
  bool key_is_null = false;
  bool key_is_plain = false;
  Position position;
  Position key_position;
  std::string key;   // within a map
  std::string text;  // Kind::text
  std::vector<YamlNode> items;

  // The entry of a map by its key; null where there is none or this is no map.
  const YamlNode* find(std::string_view name) const;
  bool is_text() const { return kind == Kind::text; }
};

struct YamlFault {
  Position where;
  std::string text;
};

struct YamlFile {
  std::vector<YamlNode> documents;
  std::vector<YamlFault> notes;  // keys that stand twice in one map
};

// All documents of the text.
[[nodiscard]] std::variant<YamlFile, YamlFault> parse_yaml(const std::string& text);

// What a word is to vumi, whose library reads YAML 1.1.
struct YamlScalar {
  enum class Type : uint8_t { text, integer, real, boolean, date };

  Type type = Type::text;
  int64_t integer = 0;
  double real = 0;
  bool boolean = false;
};
// Numbers past 64 bits are Type::text. REQUIRES: is_text().
[[nodiscard]] YamlScalar scalar_of(const YamlNode& node);

}  // namespace signalbox
