// A regular expression in a router's settings, added to its patterns; what does not compile is a fault at its place,
// with the expression and RE2's words.
//
// Thread: one, while starting up. Tested through the routers that use it.
#pragma once

#include "routers/patterns.hpp"
#include "routers/reading_names.hpp"
#include "routers/router.hpp"

namespace signalbox {

// True: it was added.
[[nodiscard]] inline bool read_pattern(RouterSetup& setup, const Setting& setting, Patterns& patterns) {
  if (setting.type != Setting::Type::text) {
    setup.fault(setting.position, "a regular expression is needed here, not " + std::string(to_string(setting.type)));
    return false;
  }
  const std::string error = patterns.add(setting.text);
  if (error.empty()) return true;
  setup.fault(setting.position, "the regular expression " + in_quotes(setting.text) + " does not compile: " + error);
  return false;
}

}  // namespace signalbox
