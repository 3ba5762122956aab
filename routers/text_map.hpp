// A hash table by text that is searched without making a string.
//
// Thread: as std::unordered_map. Owns: its keys.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace signalbox {

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

template <typename Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

}  // namespace signalbox
