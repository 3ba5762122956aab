// A configuration in code that reads like the file:
//
//   read_configuration(table({{"router_class", "SimpleDispatchRouter"},
//                             {"transport_names", list({"smpp_transport"})},
//                             {"exposed_names", list({"my_application"})},
//                             {"routing_mappings", table({{"smpp_transport", "my_application"}})}}),
//                      registry);
//
// [[dispatcher]] is a list of tables, [broker] a table of that name. What a program learns only as it runs is added to
// such a table with set().
//
// Thread: any; no state. Errors: none here; read_configuration() checks it all.
// Tested by tests/configuration/in_code_test.cpp.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "routers/setting.hpp"

namespace signalbox {

// What may stand behind a key or in a list.
struct SettingValue {
  SettingValue(std::string_view text);
  SettingValue(const std::string& text) : SettingValue(std::string_view(text)) {}
  SettingValue(const char* text) : SettingValue(std::string_view(text)) {}
  SettingValue(bool boolean);
  SettingValue(double real);
  // A number too large for TOML is as large as those can be: larger than any that is allowed.
  template <std::integral Integer>
  SettingValue(Integer number)
      : SettingValue(Number{std::in_range<int64_t>(number) ? static_cast<int64_t>(number)
                                                           : std::numeric_limits<int64_t>::max()}) {}
  SettingValue(Setting tree) : setting(std::move(tree)) {}

  Setting setting;

 private:
  struct Number {
    int64_t value;
  };
  SettingValue(Number number);
};

[[nodiscard]] Setting table(std::initializer_list<std::pair<std::string_view, SettingValue>> entries = {});
[[nodiscard]] Setting list(std::initializer_list<SettingValue> items);
// The same of names that are known only as the program runs.
[[nodiscard]] Setting list_of(const std::vector<std::string>& names);

// Adds an entry to a table, or exchanges the one that has this key.
void set(Setting& table, std::string_view key, SettingValue value);

}  // namespace signalbox
