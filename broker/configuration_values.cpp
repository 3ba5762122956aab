#include "broker/configuration_values.hpp"

#include <algorithm>

#include "protocol/text.hpp"

namespace signalbox {

bool check_type(const Setting& setting, Setting::Type type, std::string_view what, FaultList& faults) {
  if (setting.type == type) return true;
  const std::string subject = setting.key.empty() ? "this" : printable(setting.key);
  faults.fault(setting.position,
               subject + " must be " + std::string(what) + ", not " + std::string(to_string(setting.type)));
  return false;
}

std::optional<uint64_t> read_number(const Setting& setting, uint64_t least, uint64_t most, FaultList& faults) {
  if (!check_type(setting, Setting::Type::integer, "an integer", faults)) return std::nullopt;
  const auto number = static_cast<uint64_t>(setting.integer);
  if (setting.integer < 0 || number < least || number > most) {
    faults.fault(setting.position, setting.key + " must lie between " + std::to_string(least) + " and " +
                                       std::to_string(most) + ", and is " + std::to_string(setting.integer));
    return std::nullopt;
  }
  return number;
}

std::optional<bool> read_boolean(const Setting& setting, FaultList& faults) {
  if (!check_type(setting, Setting::Type::boolean, "true or false", faults)) return std::nullopt;
  return setting.boolean;
}

bool check_name(std::string_view name, Position where, FaultList& faults) {
  if (is_name(name)) return true;
  if (name.empty()) {
    faults.fault(where, "a name must not be empty");
  } else if (name.size() > limits::name_bytes_max) {
    faults.fault(where, "a name has at most " + std::to_string(limits::name_bytes_max) + " bytes, and this one has " +
                            std::to_string(name.size()));
  } else {
    faults.fault(where, in_quotes(name) + " is no legal name: control characters and '/' must not be in it");
  }
  return false;
}

void report_unknown_keys(const Setting& table, std::string_view section, const std::vector<std::string>& known,
                         FaultList& faults) {
  for (const Setting& item : table.items) {
    if (std::ranges::find(known, item.key) != known.end()) continue;
    faults.unknown_name(item.key_position, "unknown key " + in_quotes(item.key) + " in " + std::string(section),
                        item.key, known);
  }
}

}  // namespace signalbox
