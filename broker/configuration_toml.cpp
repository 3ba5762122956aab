#include "broker/configuration_toml.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include "protocol/text.hpp"

namespace signalbox {

namespace {

Position position_of(const toml::source_region& region) {
  return {region.begin.line, region.begin.column};
}

Setting to_setting(const toml::node& node) {
  Setting setting;
  setting.position = position_of(node.source());
  if (const toml::table* table = node.as_table()) {
    setting.type = Setting::Type::table;
    for (const auto& [key, value] : *table) {
      Setting item = to_setting(value);
      item.key = std::string(key.str());
      item.key_position = position_of(key.source());
      setting.items.push_back(std::move(item));
    }
    // The library keeps tables sorted by key; the file's order is that of the keys' places.
    std::ranges::stable_sort(setting.items, {}, [](const Setting& item) {
      return std::tuple(item.key_position.line, item.key_position.column);
    });
  } else if (const toml::array* array = node.as_array()) {
    setting.type = Setting::Type::array;
    for (const toml::node& value : *array) setting.items.push_back(to_setting(value));
  } else if (const auto* text = node.as_string()) {
    setting.type = Setting::Type::text;
    setting.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    setting.type = Setting::Type::integer;
    setting.integer = integer->get();
  } else if (const auto* real = node.as_floating_point()) {
    setting.type = Setting::Type::real;
    setting.real = real->get();
  } else if (const auto* boolean = node.as_boolean()) {
    setting.type = Setting::Type::boolean;
    setting.boolean = boolean->get();
  }
  return setting;
}

// The library limits how deep values may lie in one another, but not how many parts a dotted key may have; each is a
// table within a table, and a hundred thousand of them would be more than the stack takes. So such keys are looked for
// before it reads the text. Texts that are no TOML may be seen wrongly here behind their first break, where nobody
// reads.
class DottedKeys {
 public:
  explicit DottedKeys(std::string_view text) : text_(text) {}

  // Where a key has more parts than it may; nothing where none has.
  std::optional<Position> find_too_long() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"' || c == '\'') {
        skip_string(c);
      } else if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else {
        if (c == '.' && ++dots_ >= key_parts_max) return position();
        if (c == '\n' || c == '=' || c == ',' || c == '[' || c == ']' || c == '{' || c == '}') dots_ = 0;
        ++at_;
      }
    }
    return std::nullopt;
  }

 private:
  // Behind a string of either kind, on one line or on several.
  void skip_string(char quote) {
    const std::string three(3, quote);
    const bool several_lines = text_.substr(at_).starts_with(three);
    const std::string_view end = several_lines ? std::string_view(three) : std::string_view(three).substr(2);
    at_ += end.size();
    while (at_ < text_.size() && !text_.substr(at_).starts_with(end)) {
      if (text_[at_] == '\n' && !several_lines) return;
      at_ += quote == '"' && text_[at_] == '\\' ? 2 : 1;
    }
    at_ = std::min(at_ + end.size(), text_.size());
    // One or two quotes more belong to the string that ends with them.
    for (int more = 0; several_lines && more < 2 && at_ < text_.size() && text_[at_] == quote; ++more) ++at_;
  }

  Position position() const {
    const std::string_view before = text_.substr(0, at_);
    const size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
    const auto begins_a_character = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
    return {.line = static_cast<uint32_t>(1 + std::ranges::count(before, '\n')),
            .column = static_cast<uint32_t>(1 + std::ranges::count_if(before.substr(line_begin), begins_a_character))};
  }

  static constexpr int key_parts_max = 32;

  const std::string_view text_;
  size_t at_ = 0;
  int dots_ = 0;
};

}  // namespace

std::variant<Setting, Fault> parse_toml(std::string_view text) {
  if (const auto too_long = DottedKeys(text).find_too_long()) {
    return Fault{*too_long, "a key has at most 32 parts between dots"};
  }
  try {
    Setting file = to_setting(toml::parse(text));
    file.position = {};
    return file;
  } catch (const toml::parse_error& error) {
    return Fault{position_of(error.source()), "not TOML: " + printable(error.description())};
  }
}

}  // namespace signalbox
