#include "routers/reading_options.hpp"

#include <algorithm>

#include "protocol/text.hpp"

namespace signalbox {

bool has_type(SettingReader& reader, const Setting& setting, Setting::Type type, std::string_view what) {
  if (setting.type == type) return true;
  const std::string subject = setting.key.empty() ? "this" : printable(setting.key);
  reader.fault(setting.position,
               subject + " must be " + std::string(what) + ", not " + std::string(to_string(setting.type)));
  return false;
}

const Setting* require_option(MiddlewareSetup& setup, std::string_view key, Setting::Type type, std::string_view what) {
  const Setting* setting = setup.require(key);
  return setting != nullptr && has_type(setup, *setting, type, what) ? setting : nullptr;
}

const Setting* require_entry(SettingReader& reader, const Setting& table, std::string_view key, Setting::Type type,
                             std::string_view what) {
  const Setting* setting = table.find(key);
  if (setting == nullptr) {
    reader.fault(table.position, std::string(key) + " is missing in " + printable(table.key));
    return nullptr;
  }
  return has_type(reader, *setting, type, what) ? setting : nullptr;
}

std::optional<std::string> read_text_option(MiddlewareSetup& setup, std::string_view key) {
  const Setting* setting = setup.find(key);
  if (setting == nullptr || !has_type(setup, *setting, Setting::Type::text, "a string")) return std::nullopt;
  return setting->text;
}

void report_unknown_entries(SettingReader& reader, const Setting& table, const std::vector<std::string>& known) {
  for (const Setting& entry : table.items) {
    if (std::ranges::find(known, entry.key) != known.end()) continue;
    reader.unknown_name(entry.key_position, "unknown key " + in_quotes(entry.key) + " in " + printable(table.key),
                        entry.key, known);
  }
}

}  // namespace signalbox
