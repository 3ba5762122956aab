// A regular expression in a router's settings, added to its patterns; what does not compile is a fault at its place,
// with the expression and RE2's words.
//
// Thread: one, while starting up. Tested through the routers that use it.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "protocol/limits.hpp"
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

// A fault where it is certain that some address matches more patterns than a message may have targets: they match the
// empty one, or are the same. What else may meet in one message shows only when it comes, and that is refused then.
inline void check_pattern_count(RouterSetup& setup, Position where, Patterns& patterns,
                                const std::vector<std::string>& expressions) {
  if (expressions.size() <= limits::targets_max) return;
  std::unordered_map<std::string_view, size_t> same;
  size_t most = patterns.matching("").size();
  for (const std::string& expression : expressions) most = std::max(most, ++same[expression]);
  if (most <= limits::targets_max) return;
  setup.fault(where, "a message can go to at most " + std::to_string(limits::targets_max) + " applications, and " +
                         std::to_string(most) + " of these expressions match the same address");
}

}  // namespace signalbox
