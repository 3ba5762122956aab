// One value of the configuration with its place in the file: what a router sees of TOML, without the TOML library.
//
// Thread: any, immutable once built. Owns: its text and its children.
// Tested by tests/configuration.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace signalbox {

// Where something stands in the configuration file; line and column from 1, the column in code points.
struct Position {
  uint32_t line = 1;
  uint32_t column = 1;
};

struct Setting {
  enum class Type : uint8_t { text, integer, real, boolean, array, table, other };

  Type type = Type::other;
  std::string key;             // within a table; else empty
  Position key_position;       // where the key is at fault
  Position position;           // where the value is at fault
  std::string text;            // Type::text
  int64_t integer = 0;         // Type::integer
  double real = 0;             // Type::real
  bool boolean = false;        // Type::boolean
  std::vector<Setting> items;  // array: in order; table: in the order of the file

  // The entry of a table by its key; null where there is none or this is no table.
  const Setting* find(std::string_view name) const {
    for (const Setting& item : items)
      if (type == Type::table && item.key == name) return &item;
    return nullptr;
  }
};

// "a string", "an integer", … for messages.
std::string_view to_string(Setting::Type type);

// A name as messages quote it: "name", whatever bytes are in it.
[[nodiscard]] std::string in_quotes(std::string_view name);

}  // namespace signalbox
