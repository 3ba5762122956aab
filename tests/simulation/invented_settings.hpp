// Settings of routers and middleware as a scenario invents them, without a file.
//
// Thread: any. Tested by every simulation.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "routers/setting.hpp"

namespace signalbox::simulation {

inline Setting text_setting(std::string key, std::string text) {
  Setting setting;
  setting.type = Setting::Type::text;
  setting.key = std::move(key);
  setting.text = std::move(text);
  return setting;
}

inline Setting list_setting(std::string key, const std::vector<std::string>& texts) {
  Setting setting;
  setting.type = Setting::Type::array;
  setting.key = std::move(key);
  for (const std::string& text : texts) setting.items.push_back(text_setting("", text));
  return setting;
}

inline Setting table_setting(std::string key, std::vector<Setting> items = {}) {
  Setting setting;
  setting.type = Setting::Type::table;
  setting.key = std::move(key);
  setting.items = std::move(items);
  return setting;
}

}  // namespace signalbox::simulation
