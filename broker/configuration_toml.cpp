#include "broker/configuration_toml.hpp"

#include <toml++/toml.h>

#include <algorithm>
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

}  // namespace

std::variant<Setting, Fault> parse_toml(std::string_view text) {
  try {
    Setting file = to_setting(toml::parse(text));
    file.position = {};
    return file;
  } catch (const toml::parse_error& error) {
    return Fault{position_of(error.source()), "not TOML: " + printable(error.description())};
  }
}

}  // namespace signalbox
