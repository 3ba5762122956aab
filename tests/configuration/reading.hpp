// What the configuration tests share: a file as text in, its faults as "line:column text" out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/configuration.hpp"

namespace signalbox::testing {

using Lines = std::vector<std::string>;

inline Lines as_lines(const std::vector<Fault>& faults) {
  Lines lines;
  for (const Fault& fault : faults) {
    lines.push_back(std::to_string(fault.where.line) + ':' + std::to_string(fault.where.column) + ' ' + fault.text);
  }
  return lines;
}

// The built-in routers.
inline const RouterRegistry& registry() {
  static const RouterRegistry built_in;
  return built_in;
}

inline ConfigurationResult read(std::string_view toml) {
  return read_configuration(toml, registry());
}
inline Lines faults_of(std::string_view toml) {
  return as_lines(read(toml).faults);
}
inline Lines warnings_of(std::string_view toml) {
  return as_lines(read(toml).warnings);
}

// A dispatcher without fault in four lines; what a test is about stands behind it, from line 5 on.
inline const std::string sound =
    "router_class = 'SimpleDispatchRouter'\n"
    "transport_names = ['sms', 'ussd']\n"
    "exposed_names = ['survey', 'log']\n"
    "routing_mappings = {sms = 'survey', ussd = 'log'}\n";

}  // namespace signalbox::testing
