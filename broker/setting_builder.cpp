#include "broker/setting_builder.hpp"

#include <algorithm>

namespace signalbox {

SettingValue::SettingValue(std::string_view text) {
  setting.type = Setting::Type::text;
  setting.text = text;
}

SettingValue::SettingValue(bool boolean) {
  setting.type = Setting::Type::boolean;
  setting.boolean = boolean;
}

SettingValue::SettingValue(double real) {
  setting.type = Setting::Type::real;
  setting.real = real;
}

SettingValue::SettingValue(Number number) {
  setting.type = Setting::Type::integer;
  setting.integer = number.value;
}

Setting table(std::initializer_list<std::pair<std::string_view, SettingValue>> entries) {
  Setting built;
  built.type = Setting::Type::table;
  for (const auto& [key, value] : entries) {
    built.items.push_back(value.setting);
    built.items.back().key = key;
  }
  return built;
}

Setting list(std::initializer_list<SettingValue> items) {
  Setting built;
  built.type = Setting::Type::array;
  for (const SettingValue& item : items) {
    built.items.push_back(item.setting);
    built.items.back().key.clear();
  }
  return built;
}

Setting list_of(const std::vector<std::string>& names) {
  Setting built;
  built.type = Setting::Type::array;
  for (const std::string& name : names) built.items.push_back(SettingValue(name).setting);
  return built;
}

void set(Setting& table, std::string_view key, SettingValue value) {
  value.setting.key = key;
  const auto same = std::ranges::find(table.items, key, &Setting::key);
  if (same != table.items.end()) {
    *same = std::move(value.setting);
  } else {
    table.items.push_back(std::move(value.setting));
  }
}

}  // namespace signalbox
