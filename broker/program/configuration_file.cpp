#include "broker/program/configuration_file.hpp"

#include <cstdio>
#include <utility>

#include "routers/registry.hpp"

namespace signalbox {

std::unique_ptr<Configuration> read_or_complain(const std::string& file) {
  const RouterRegistry registry;
  ConfigurationResult result = read_configuration_file(file, registry);
  for (const Fault& warning : result.warnings) std::fprintf(stderr, "%s\n", to_line(file, warning, true).c_str());
  for (const Fault& fault : result.faults) std::fprintf(stderr, "%s\n", to_line(file, fault).c_str());
  if (!result.faults.empty()) return nullptr;
  return std::move(result.configuration);
}

}  // namespace signalbox
