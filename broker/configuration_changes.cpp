#include "broker/configuration_changes.hpp"

#include <algorithm>
#include <cstdio>
#include <initializer_list>
#include <string_view>

#include "protocol/text.hpp"

namespace signalbox {

namespace {

std::string to_text(const Setting& value);

std::string number_text(double real) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.17g", real);
  return digits;
}

std::string items_text(const Setting& value, const char* open, const char* close) {
  std::string text = open;
  for (const Setting& item : value.items) {
    if (text.size() > 1) text += ", ";
    if (value.type == Setting::Type::table) text += printable(item.key) + " = ";
    text += to_text(item);
  }
  return text + close;
}

std::string to_text(const Setting& value) {
  switch (value.type) {
    case Setting::Type::text:
      return in_quotes(value.text);
    case Setting::Type::integer:
      return std::to_string(value.integer);
    case Setting::Type::real:
      return number_text(value.real);
    case Setting::Type::boolean:
      return value.boolean ? "true" : "false";
    case Setting::Type::array:
      return items_text(value, "[", "]");
    case Setting::Type::table:
      return items_text(value, "{", "}");
    case Setting::Type::other:
      break;
  }
  return "a date";
}

std::string shown(const Setting& value) {
  if (value.key == "secret_key") return "(a secret)";
  std::string text = to_text(value);
  if (text.size() <= changed_value_bytes_max) return text;
  text.resize(changed_value_bytes_max);
  return printable(text) + "…";
}

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text.append(part);
  return text;
}

bool equal(const Setting& a, const Setting& b) {
  if (a.type != b.type || a.key != b.key || a.items.size() != b.items.size()) return false;
  if (a.text != b.text || a.integer != b.integer || a.boolean != b.boolean) return false;
  if (a.type == Setting::Type::real && number_text(a.real) != number_text(b.real)) return false;
  if (a.type != Setting::Type::table) return std::ranges::equal(a.items, b.items, equal);
  return std::ranges::all_of(a.items, [&](const Setting& item) {
    const Setting* other = b.find(item.key);
    return other != nullptr && equal(item, *other);
  });
}

// How an element of [[dispatcher]] or [[peer]] is told from its like: by its name, else by its place.
std::string element_key(const Setting& array, size_t place) {
  const Setting* name = array.items[place].find("name");
  const bool named = name != nullptr && name->type == Setting::Type::text;
  return joined({"[", named ? in_quotes(name->text) : std::to_string(place + 1), "]"});
}

bool is_array_of_tables(const Setting& value) {
  return value.type == Setting::Type::array && !value.items.empty() &&
         std::ranges::all_of(value.items, [](const Setting& item) { return item.type == Setting::Type::table; });
}

// The entries of a table, or of an array of tables, with what they are called in a path.
struct Named {
  std::string name;
  const Setting* value = nullptr;
};

std::vector<Named> entries(const Setting& whole, const std::string& path) {
  std::vector<Named> named;
  for (size_t i = 0; i < whole.items.size(); ++i) {
    const bool is_table = whole.type == Setting::Type::table;
    const std::string key = is_table ? printable(whole.items[i].key) : element_key(whole, i);
    named.push_back({is_table && !path.empty() ? path + "." + key : path + key, &whole.items[i]});
  }
  return named;
}

void compare(const Setting& before, const Setting& after, const std::string& path, std::vector<std::string>& lines) {
  const std::vector<Named> old_entries = entries(before, path);
  const std::vector<Named> new_entries = entries(after, path);
  const auto find = [](const std::vector<Named>& all, const std::string& name) {
    const auto found = std::ranges::find(all, name, &Named::name);
    return found == all.end() ? nullptr : found->value;
  };
  for (const auto& [name, value] : old_entries) {
    if (find(new_entries, name) == nullptr) lines.push_back(joined({"- ", name, " = ", shown(*value)}));
  }
  for (const auto& [name, value] : new_entries) {
    const Setting* const old = find(old_entries, name);
    if (old == nullptr) {
      lines.push_back(joined({"+ ", name, " = ", shown(*value)}));
    } else if (equal(*old, *value)) {
      continue;
    } else if (old->type == value->type &&
               (value->type == Setting::Type::table || (is_array_of_tables(*old) && is_array_of_tables(*value)))) {
      compare(*old, *value, name, lines);
    } else {
      lines.push_back(joined({"~ ", name, ": ", shown(*old), " -> ", shown(*value)}));
    }
  }
}

}  // namespace

std::vector<std::string> changes(const Setting& before, const Setting& after) {
  std::vector<std::string> lines;
  compare(before, after, "", lines);
  return lines;
}

}  // namespace signalbox
