#include "routers/setting.hpp"

#include "protocol/text.hpp"

namespace signalbox {

std::string_view to_string(Setting::Type type) {
  switch (type) {
    case Setting::Type::text:
      return "a string";
    case Setting::Type::integer:
      return "an integer";
    case Setting::Type::real:
      return "a float";
    case Setting::Type::boolean:
      return "a boolean";
    case Setting::Type::array:
      return "an array";
    case Setting::Type::table:
      return "a table";
    case Setting::Type::other:
      return "a date or a time";
  }
  return "";
}

std::string in_quotes(std::string_view name) {
  return '"' + printable(name) + '"';
}

}  // namespace signalbox
